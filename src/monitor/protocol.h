/* SPDX-License-Identifier: Apache-2.0
 *
 * protocol.h: what gantry and gantry-monitor say to each other. README.md beside this file tells the whole story.
 *
 * One message is one packet of a SOCK_SEQPACKET socket: words of ASCII with one space between them, then, where the
 * message has a payload, a newline and the payload. Numbers are decimal. */
#ifndef MONITOR_PROTOCOL_H
#define MONITOR_PROTOCOL_H

/* The descriptor of the connection that a monitor is started with. */
#define MONITOR_CONNECTION 3

/* What lies in the container's directory. */
#define MONITOR_FILE_LOCK "lock"         /* flock, exclusive, for as long as the monitor lives */
#define MONITOR_FILE_SOCKET "monitor"    /* where it listens */
#define MONITOR_FILE_PID "pid"           /* written by the runtime (--pid-file) */
#define MONITOR_FILE_EXIT "exit"         /* how the container ended */
#define MONITOR_FILE_TAIL "tail"         /* what it wrote while nobody was there to read */
#define MONITOR_FILE_LOG "runtime.log"   /* the runtime's own errors (--log) */
#define MONITOR_FILE_EXIT_NEW "exit.new" /* before it gets its name */
#define MONITOR_FILE_TAIL_NEW "tail.new"

/* gantry to monitor. */
#define MONITOR_START "start"     /* run the runtime now */
#define MONITOR_OWN "own"         /* first word of a new connection: from now on this one is the owner */
#define MONITOR_INSPECT "inspect" /* first word of a new connection: say what is, take nothing */
#define MONITOR_TOOK "took"       /* the kept output has arrived and can be dropped */
#define MONITOR_HELPER "helper"   /* + payload: arguments with a NUL after each; + up to 4 descriptors */
#define MONITOR_BYE "bye"         /* after exit or failed: nothing is left to do */

/* monitor to gantry. */
#define MONITOR_PIPES "pipes"                 /* + 2 descriptors: reading ends of stdout and stderr */
#define MONITOR_CREATED "created"             /* PID + 1 descriptor: its pidfd */
#define MONITOR_FAILED "failed"               /* REASON CODE + payload: end of the runtime's log, or text */
#define MONITOR_RUNNING "running"             /* PID LOST1 LOST2 + 3 descriptors: stdout, stderr, pidfd */
#define MONITOR_STARTING "starting"           /* LOST1 LOST2 + 2 descriptors: the runtime is still at work */
#define MONITOR_TAIL "tail"                   /* STREAM + payload: kept output, stream 1 or 2 */
#define MONITOR_TAIL_END "tail-end"           /* all kept output was sent: read the pipes now */
#define MONITOR_EXIT "exit"                   /* CODE SIGNAL WALL_NS MONOTONIC_NS; one of the first two is 0 */
#define MONITOR_REPLACED "replaced"           /* another one is the owner now: read no more */
#define MONITOR_STATE "state"                 /* STAGE PID OWNED: the answer to inspect */
#define MONITOR_HELPER_STARTED "helper"       /* PID */
#define MONITOR_HELPER_FAILED "helper-failed" /* ERRNO */
#define MONITOR_HELPER_ENDED "helper-ended"   /* PID CODE SIGNAL */

#define MONITOR_MESSAGE_SIZE 32768 /* the most bytes of one message, payload included */
#define MONITOR_MESSAGE_FDS 4      /* the most descriptors of one message */
#define MONITOR_RING_SIZE 65536    /* kept output of each stream */

#endif
