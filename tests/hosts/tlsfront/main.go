// SPDX-License-Identifier: Apache-2.0

// Command tlsfront DIRECTORY SOCKET puts TLS in front of an engine's socket, with certificates on both sides: it writes
// ca.pem, cert.pem and key.pem for clients into the directory, prints the address, and serves until it is killed.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// issue makes a certificate that the authority signs, or one that signs itself.
func issue(serial int64, authority *x509.Certificate, signer *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: fmt.Sprint("tlsfront ", serial)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	if authority == nil {
		authority, signer = template, key
		template.IsCA, template.BasicConstraintsValid = true, true
	}
	der := must(x509.CreateCertificate(rand.Reader, template, authority, &key.PublicKey, signer))
	return must(x509.ParseCertificate(der)), key
}

func write(path, kind string, der []byte) {
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		panic(err)
	}
}

func serve(client net.Conn, socket string) {
	defer client.Close()
	engine, err := net.Dial("unix", socket)
	if err != nil {
		return
	}
	go func() {
		_, _ = io.Copy(engine, client)
		engine.Close()
	}()
	_, _ = io.Copy(client, engine)
}

func main() {
	directory, socket := os.Args[1], os.Args[2]
	authority, signer := issue(1, nil, nil)
	server, serverKey := issue(2, authority, signer)
	client, clientKey := issue(3, authority, signer)
	write(filepath.Join(directory, "ca.pem"), "CERTIFICATE", authority.Raw)
	write(filepath.Join(directory, "cert.pem"), "CERTIFICATE", client.Raw)
	write(filepath.Join(directory, "key.pem"), "EC PRIVATE KEY", must(x509.MarshalECPrivateKey(clientKey)))

	pool := x509.NewCertPool()
	pool.AddCert(authority)
	listener := must(tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{server.Raw}, PrivateKey: serverKey}},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: pool, MinVersion: tls.VersionTLS12,
	}))
	fmt.Printf("tcp://%s\n", listener.Addr())
	for {
		go serve(must(listener.Accept()), socket)
	}
}
