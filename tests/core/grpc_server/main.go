// SPDX-License-Identifier: Apache-2.0

// grpc_server is what the gRPC tests talk to: the real grpc-go, and beside it a raw HTTP/2 server for answers that
// grpc-go would never give. It serves the Unix socket of its one argument (raw: the same path with ".raw" behind it),
// prints one line once it does, and ends with its standard input.
//
// With -tls it asks for exactly the client certificate in PLUGIN_CLIENT_CERT, as go-plugin does under AutoMTLS, and the
// line it prints holds its own certificate: DER in base64 without padding. Otherwise it prints "-".
package main

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

func main() {
	useTLS := flag.Bool("tls", false, "require TLS as AutoMTLS does")
	noALPN := flag.Bool("no-alpn", false, "TLS that never selects h2")
	oldTLS := flag.Bool("tls12", false, "TLS 1.2 at most")
	flag.Parse()
	if flag.NArg() != 1 {
		log.Fatal("usage: grpc_server [-tls] [-no-alpn] [-tls12] SOCKET")
	}
	path := flag.Arg(0)

	listener, err := net.Listen("unix", path)
	must(err)
	rawListener, err := net.Listen("unix", path+".raw")
	must(err)
	line := "-"
	var options []grpc.ServerOption
	if *useTLS {
		config, certificate := mutualTLS(os.Getenv("PLUGIN_CLIENT_CERT"))
		line = base64.RawStdEncoding.EncodeToString(certificate)
		if *oldTLS {
			config.MaxVersion = tls.VersionTLS12
		}
		if *noALPN {
			go acceptOnly(tls.NewListener(listener, config))
		} else {
			options = append(options, grpc.Creds(credentials.NewTLS(config)))
		}
	}
	server := grpc.NewServer(append(options, grpc.MaxRecvMsgSize(1<<30), grpc.MaxSendMsgSize(1<<30))...)
	healthServer := health.NewServer()
	healthServer.SetServingStatus("plugin", healthpb.HealthCheckResponse_SERVING)
	healthpb.RegisterHealthServer(server, healthServer)
	server.RegisterService(&testService, &tester{server: server})
	go serveRaw(rawListener)
	if !*noALPN {
		go func() {
			if err := server.Serve(listener); err != nil {
				log.Print(err)
			}
		}()
	}
	fmt.Println(line)
	_, _ = io.Copy(io.Discard, os.Stdin)
	server.Stop()
	_ = os.Remove(path + ".raw")
	_ = os.Remove(path)
}

// acceptOnly shakes hands and says nothing.
func acceptOnly(listener net.Listener) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			_ = connection.(*tls.Conn).HandshakeContext(context.Background())
			_, _ = io.Copy(io.Discard, connection)
			_ = connection.Close()
		}()
	}
}
