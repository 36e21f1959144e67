package opencti

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"strings"
	"testing"

	"github.com/youmark/pkcs8"

	"github.com/enrichgate/enrichgate/enrich/opencti/openctitest"
	"github.com/enrichgate/enrichgate/enrich/opencti/sandbox"
)

// AMQP over TLS with an authority of our own, a client certificate whose key is
// encrypted, a virtual host and a user that only the overrides know.
func TestAMQPOverTLS(t *testing.T) {
	t.Parallel()
	broker := openctitest.OwnBroker(t)
	port, certs := broker.TLS()
	ctx := openctitest.Context(t)
	vhost, user := openctitest.Prefix(), openctitest.Prefix()
	for _, args := range [][]string{
		{"add_vhost", vhost}, {"add_user", user, "secret of " + user},
		{"set_permissions", "-p", vhost, user, ".*", ".*", ".*"}, {"set_permissions", "-p", vhost, "guest", ".*", ".*", ".*"},
	} {
		if _, err := broker.Control(ctx, args...); err != nil {
			t.Fatal(err)
		}
	}
	w := newWorld(t, openctitest.StartPlatform(t, sandbox.Options{AMQPURL: broker.URL() + vhost}))
	yes := true
	c := w.config("over TLS")
	c.Broker = BrokerConfig{
		Host: "127.0.0.1", Port: port, Vhost: vhost, User: user, Pass: "secret of " + user, UseSSL: &yes,
		CA: certs.CA, Cert: certs.ClientCert, Key: encrypted(t, certs.ClientKey, "open sesame"), Passphrase: "open sesame",
	}
	w.run(c)
	w.done(w.ask(c.ID, host(0)))
	openctitest.NoProblems(t, w.platform)

	for says, change := range map[string]func(*BrokerConfig){
		"unknown authority":           func(b *BrokerConfig) { b.CA = "" },
		"does not open the key":       func(b *BrokerConfig) { b.Passphrase = "guess" },
		"no passphrase is given":      func(b *BrokerConfig) { b.Passphrase = "" },
		"MQ_USE_SSL_CERT":             func(b *BrokerConfig) { b.Cert = "" },
		"username or password":        func(b *BrokerConfig) { b.Pass = "guess" },
		"no such file":                func(b *BrokerConfig) { b.CA = "/nowhere/ca.pem" },
		"access to vhost '/' refused": func(b *BrokerConfig) { b.Vhost = "/" },
	} {
		t.Run(says, func(t *testing.T) {
			bad := c
			change(&bad.Broker)
			connector := New(Config{Name: "bad", Broker: bad.Broker, Log: c.Log, Journal: w.journal, Registerer: freshRegistry()})
			conn, err := connector.dial(ctx, &Registration{Broker: bad.Broker.over(brokerAddress{})}, "fails")
			if err == nil {
				_ = conn.Close()
				t.Fatal("it connects")
			}
			if !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "connection is not open") || strings.Contains(err.Error(), "secret of") {
				t.Errorf("it says %v", err)
			}
		})
	}
}

// encrypted returns the key of a file as PEM text in PKCS #8, encrypted.
func encrypted(t *testing.T, file, passphrase string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	der, err := pkcs8.MarshalPrivateKey(key, []byte(passphrase), pkcs8.DefaultOpts)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: der}))
}

// A key in OpenSSL's older form opens as well.
func TestOpenKeyOfTheOldForm(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	//lint:ignore SA1019 what is tested
	block, err := x509.EncryptPEMBlock(rand.Reader, "EC PRIVATE KEY", der, []byte("open sesame"), x509.PEMCipherAES256)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(block)
	opened, err := openKey(text, "open sesame")
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := pem.Decode(opened); b == nil || string(b.Bytes) != string(der) {
		t.Error("another key came out")
	}
	if _, err := openKey(text, "guess"); err == nil || strings.Contains(err.Error(), "guess") {
		t.Errorf("a wrong passphrase: %v", err)
	}
}
