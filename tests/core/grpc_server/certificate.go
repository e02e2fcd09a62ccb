// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"log"
	"math/big"
	"net"
	"time"
)

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// generate makes a pair with the fields that go-plugin gives its own: ECDSA on P-521, its own authority.
func generate() (tls.Certificate, []byte) {
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	must(err)
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 128))
	must(err)
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "localhost", Organization: []string{"HashiCorp"}},
		DNSNames:              []string{"localhost"},
		IPAddresses:           []net.IP{},
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageKeyAgreement | x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		SerialNumber:          serial,
		NotBefore:             time.Now().Add(-30 * time.Second),
		NotAfter:              time.Now().Add(262980 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, der
}

// mutualTLS trusts the one client certificate in pem, and returns its own certificate as well.
func mutualTLS(pem string) (*tls.Config, []byte) {
	pair, der := generate()
	clients := x509.NewCertPool()
	if pem != "" && !clients.AppendCertsFromPEM([]byte(pem)) {
		log.Fatal("PLUGIN_CLIENT_CERT is no certificate")
	}
	return &tls.Config{
		Certificates: []tls.Certificate{pair},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    clients,
		MinVersion:   tls.VersionTLS12,
		RootCAs:      clients,
		ServerName:   "localhost",
	}, der
}
