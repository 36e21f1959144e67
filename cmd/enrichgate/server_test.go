package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// selfSigned makes a certificate for this host, and its key, as PEM text.
func selfSigned(t *testing.T) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, priv.Public(), priv)
	if err != nil {
		t.Fatal(err)
	}
	b, err := x509.MarshalPKCS8PrivateKey(priv)
	if err != nil {
		t.Fatal(err)
	}
	cert = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	key = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: b}))
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(cert))
	return cert, key, pool
}

func TestHTTPOverTLS(t *testing.T) {
	cert, key, pool := selfSigned(t)
	b := newBench(t, "ENRICHGATE_HTTP_TLS_CERT="+cert, "ENRICHGATE_HTTP_TLS_KEY="+key)
	f, err := b.listen("127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := f.close(); err != nil {
			t.Error(err)
		}
	}()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	defer client.CloseIdleConnections()
	resp, err := client.Get("https://" + f.address() + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if said, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK || !strings.Contains(string(said), `"ledger":"ok"`) {
		t.Errorf("HTTP %d %s", resp.StatusCode, said)
	}
	if resp, err := http.Get("http://" + f.address() + "/livez"); err == nil {
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("plain HTTP: %d", resp.StatusCode)
		}
		resp.Body.Close()
	}
}

// Whoever signs in at our own TLS gets a cookie that never travels in clear and
// that no other host can set.
func TestTheSessionOverTLS(t *testing.T) {
	cert, key, pool := selfSigned(t)
	b := newBench(t, "ENRICHGATE_HTTP_TLS_CERT="+cert, "ENRICHGATE_HTTP_TLS_KEY="+key)
	f, err := b.listen("127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := f.close(); err != nil {
			t.Error(err)
		}
	}()
	client := &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer client.CloseIdleConnections()
	resp, err := client.PostForm("https://"+f.address()+"/sign-in", url.Values{"token": {httpToken}})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	cookies := resp.Cookies()
	if resp.StatusCode != http.StatusSeeOther || len(cookies) != 1 {
		t.Fatalf("HTTP %d, cookies %v", resp.StatusCode, cookies)
	}
	c := cookies[0]
	if c.Name != "__Host-enrichgate" || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteStrictMode {
		t.Errorf("%s", c)
	}
}

func TestProxyCanBeSwitchedOff(t *testing.T) {
	for setting, want := range map[string]int{"reverse": 200, "off": 404} {
		b := newBench(t, "ENRICHGATE_PROXY="+setting)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.front.URL+"/proxy/proofpoint_et_intelligence/ips/198.51.100.7/reputation", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", httpToken)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: HTTP %d", setting, resp.StatusCode)
		}
	}
}
