// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net"
	"net/http"

	"golang.org/x/net/http2"
)

// What grpc-go would never answer, by path.
var answers = map[string]func(http.ResponseWriter){
	"/raw/NoStatus":   func(w http.ResponseWriter) { send(w, 0, "hello") },
	"/raw/Compressed": func(w http.ResponseWriter) { send(w, 1, "hello") },
	"/raw/Truncated": func(w http.ResponseWriter) {
		_, _ = w.Write([]byte{0, 0, 0, 0, 9, 'x'})
		end(w, "0")
	},
	"/raw/Split": func(w http.ResponseWriter) {
		for _, piece := range []string{"\x00", "\x00\x00", "\x00\x02a", "b\x00\x00\x00\x00", "\x01c\x00\x00\x00\x00\x00"} {
			_, _ = w.Write([]byte(piece))
			w.(http.Flusher).Flush()
		}
		end(w, "0")
	},
	"/raw/Huge": func(w http.ResponseWriter) {
		_, _ = w.Write([]byte{0, 0xff, 0xff, 0xff, 0xff})
		end(w, "0")
	},
	"/raw/OddStatus": func(w http.ResponseWriter) { end(w, "4711") },
	"/raw/HTML": func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<p>not gRPC</p>"))
	},
	"/raw/Unavailable": func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) },
	"/raw/Reset":       func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
}

func send(w http.ResponseWriter, flag byte, message string) {
	_, _ = w.Write(append([]byte{flag, 0, 0, 0, byte(len(message))}, message...))
}

func end(w http.ResponseWriter, status string) {
	w.Header().Set(http.TrailerPrefix+"Grpc-Status", status)
}

func handleRaw(w http.ResponseWriter, request *http.Request) {
	answer := answers[request.URL.Path]
	if answer == nil {
		http.NotFound(w, request)
		return
	}
	w.Header().Set("Content-Type", "application/grpc")
	answer(w)
}

func serveRaw(listener net.Listener) {
	server := &http2.Server{}
	for {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		go server.ServeConn(connection, &http2.ServeConnOpts{Handler: http.HandlerFunc(handleRaw)})
	}
}
