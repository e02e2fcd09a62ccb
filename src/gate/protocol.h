/* SPDX-License-Identifier: Apache-2.0
 *
 * protocol.h: what is said to a gate and by one. README.md beside this file tells the whole story.
 *
 * A request is a header line, `gate VERSION LENGTH\n`, and a body of LENGTH bytes: records, each a letter, a text, and
 * a NUL. It comes over a stream as it is, over a SOCK_SEQPACKET socket in as many packets as the asker likes. All other
 * messages are packets of such a socket: words of ASCII with one space between them. */
#ifndef GATE_PROTOCOL_H
#define GATE_PROTOCOL_H

/* The versions that this gate, and this client, understand. */
#define GATE_VERSION_OLDEST 1
#define GATE_VERSION 1

/* Records. Other small letters are refused, other capitals passed over: so a later version says what may be ignored. */
#define GATE_ENVIRONMENT 'e' /* NAME=VALUE, over the gate's own */
#define GATE_CLEAR 'c'       /* (empty) nothing of the gate's own environment */
#define GATE_PROGRAM 'p'     /* one word of a command that replaces the gate's */
#define GATE_ARGUMENT 'a'    /* one more argument */
#define GATE_DIRECTORY 'd'   /* the working directory */
#define GATE_LIMIT 'l'       /* NAME SOFT HARD, as `nofile 1024 4096`; `unlimited` for a number */
#define GATE_DESCRIPTOR 'f'  /* 1 or 2: what the next descriptor that came with the request becomes */
#define GATE_HANDSHAKE 'H'   /* (empty) the beginning of its standard output is said to its asker as well */
#define GATE_OWNER 'o'       /* input: it ends with the stream asked over; nobody: it outlives its asker of a socket */

#define GATE_REQUEST_SIZE (8UL << 20) /* the most bytes of a body; no kernel takes more than 6 MiB */
#define GATE_HEADER_SIZE 32           /* the most bytes of the header line */
#define GATE_PACKET_SIZE 65536        /* the most bytes of a packet */
#define GATE_DESCRIPTORS 2            /* the most descriptors of a request; they come with its first packet */
#define GATE_REQUEST_MS 10000         /* how long a request may take to come over a socket */
#define GATE_OUTPUT_SIZE 4096         /* the most bytes of output in a message */
#define GATE_HANDSHAKE_SIZE 65536     /* the most bytes of output that are said where its first line does not end */

/* Gate to asker. */
#define GATE_HELLO "gate"      /* OLDEST NEWEST: the versions it understands; comes first */
#define GATE_STARTED "started" /* PID, as the container counts */
#define GATE_OUTPUT "output"   /* BYTES, as they come: from the first of its standard output to its first line's end */
#define GATE_FAILED "failed"   /* WHAT ERRNO [TEXT]; the last message */
#define GATE_EXIT "exit"       /* CODE SIGNAL MEMORY: one of the first two is 0; MEMORY: 1 ran out, 0 not, - unknown */

/* Asker to gate, once it has asked. */
#define GATE_SIGNAL "signal" /* NUMBER */

/* How a gate ends where it has no plugin's status to end with. */
#define GATE_EXIT_CLOSED 125  /* nobody asked, or nothing that can be understood */
#define GATE_EXIT_REFUSED 126 /* the plugin could not be executed */
#define GATE_EXIT_MISSING 127 /* there is no such program */

#endif
