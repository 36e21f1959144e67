package openctitest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Certificates are files of a small authority of their own.
type Certificates struct {
	// CA signed both of the others.
	CA string
	// Server is for 127.0.0.1, Client for whoever must show one.
	ServerCert, ServerKey, ClientCert, ClientKey string
}

// NewCertificates makes an authority and writes its files to dir. They are valid for a day.
func NewCertificates(dir string) (c Certificates, err error) {
	in := func(name string) string { return filepath.Join(dir, name) }
	c = Certificates{in("ca.pem"), in("server.pem"), in("server-key.pem"), in("client.pem"), in("client-key.pem")}
	ca := template(1, "openctitest CA")
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign
	caKey, err := issue(ca, ca, nil, c.CA, "")
	if err != nil {
		return c, err
	}
	server := template(2, "127.0.0.1")
	server.IPAddresses, server.ExtKeyUsage = []net.IP{net.IPv4(127, 0, 0, 1)}, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	if _, err := issue(server, ca, caKey, c.ServerCert, c.ServerKey); err != nil {
		return c, err
	}
	client := template(3, "guest")
	client.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	_, err = issue(client, ca, caKey, c.ClientCert, c.ClientKey)
	return c, err
}

func template(serial int64, name string) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
	}
}

// issue writes a certificate that parent signs, itself when parentKey is nil.
func issue(t, parent *x509.Certificate, parentKey *ecdsa.PrivateKey, certFile, keyFile string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	if parentKey == nil {
		parentKey = key
	}
	der, err := x509.CreateCertificate(rand.Reader, t, parent, &key.PublicKey, parentKey)
	if err != nil {
		return nil, err
	}
	if err := writePEM(certFile, "CERTIFICATE", der); err != nil || keyFile == "" {
		return key, err
	}
	if der, err = x509.MarshalPKCS8PrivateKey(key); err != nil {
		return nil, err
	}
	return key, writePEM(keyFile, "PRIVATE KEY", der)
}

func writePEM(path, kind string, der []byte) error {
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		return fmt.Errorf("openctitest: %w", err)
	}
	return nil
}
