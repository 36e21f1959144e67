package settings

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const hunter = "hunter2-hunter2"

func TestSecretDoesNotPrint(t *testing.T) {
	v := struct {
		S Secret
		P *Secret
		H []Header
		M map[string]Secret
	}{hunter, new(Secret(hunter)), []Header{{"N", hunter}}, map[string]Secret{"k": hunter}}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%10.3s", "%T%v"} {
		fmt.Fprintf(&out, verb+"\n", v.S, v)
	}
	j, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	y, err := yaml.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(j)
	out.Write(y)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "s", v.S, "v", v)
	slog.New(slog.NewTextHandler(&out, nil)).Info("m", "s", v.S, "v", v)
	out.WriteString(v.S.String() + v.S.GoString())
	hex := fmt.Sprintf("%x", hunter)
	if got := strings.ToLower(out.String()); strings.Contains(got, "hunter") || strings.Contains(got, hex) || !strings.Contains(got, redacted) {
		t.Error(got)
	}
	if v.S.Reveal() != hunter {
		t.Error("Reveal does not reveal")
	}
}

// Settings with every secret set print without any of them, and Secrets knows all.
func TestSettingsDoNotPrintSecrets(t *testing.T) {
	cert, key := certificate(t)
	o := options(t, minimal()...)
	for _, s := range Table(specs()) {
		value := hunter
		switch {
		case !s.Secret:
			continue
		case s.Kind == KindPEM:
			value = key
		case s.Name == "OPENCTI_CUSTOM_HEADERS":
			value = "X-Key:" + hunter
		case strings.HasPrefix(s.Name, "ENRICHGATE_"):
			value = s.Name + strings.Repeat(hunter, 5) // long enough, and no two alike
		}
		o.Environ = append(o.Environ, s.Name+"="+value)
	}
	o.Environ = append(o.Environ, "MQ_USE_SSL_CERT="+cert, "ENRICHGATE_HTTP_TLS_CERT="+cert, "CONNECTOR_SCOPE=Domain-Name")
	s := load(t, o)
	j, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%v %+v %#v %s %v", s, s, s, j, s.Values())
	if strings.Contains(got, hunter) || strings.Contains(got, key[40:60]) {
		t.Error(got)
	}
	if n := len(s.Secrets()); n != 12 {
		t.Errorf("Secrets() has %d", n)
	}
	for _, v := range s.Values() {
		if v.Name == "OPENCTI_TOKEN" && (v.Value != redacted || v.Origin != "environment") {
			t.Errorf("got %+v", v)
		}
	}
}

func TestSecretFiles(t *testing.T) {
	o := options(t, "OPENCTI_URL=http://x", "CONNECTOR_ID="+testID,
		"OPENCTI_TOKEN=", "OPENCTI_TOKEN_FILE=token", "PROOFPOINT_ET_INTELLIGENCE_API_KEY_FILE=", "MQ_PASS_FILE=pass")
	write(t, o, "token", hunter+"\r\n")
	write(t, o, "pass", " two words \n\n")
	write(t, o, "key", hunter)
	write(t, o, "config.yml", "proofpoint_et_intelligence:\n  api_key_file: key\nopencti:\n  token_file: nowhere\n")
	s := load(t, o)
	if s.OpenCTIToken != hunter || et(s).Secrets["api_key"] != hunter || s.MQPass != " two words " {
		t.Error("a file is not read as it should be")
	}
	for name, want := range map[string]string{
		"OPENCTI_TOKEN":                      "file token (OPENCTI_TOKEN_FILE)",
		"PROOFPOINT_ET_INTELLIGENCE_API_KEY": "file key (config.yml:2)",
	} {
		if got := s.Origin(name); got != want {
			t.Errorf("Origin(%s) = %q, want %q", name, got, want)
		}
	}
}

func TestCacheKeyFile(t *testing.T) {
	o := options(t, minimal("ENRICHGATE_CACHE_ENCRYPTION_KEY_FILE=key")...)
	write(t, o, "key", strings.Repeat("0f", 32)+"\n")
	s := load(t, o)
	if s.CacheKey.Reveal() != strings.Repeat("\x0f", 32) || strings.Contains(fmt.Sprintf("%v %v", s, s.Values()), "0f0f") {
		t.Error("the key is not read, or shown")
	}
	write(t, o, "key", "hunter2")
	if got := lines(t, o); len(got) != 1 || !strings.Contains(got[0], "must hold 32 bytes") || strings.Contains(got[0], "hunter2") {
		t.Errorf("got %q", got)
	}
}

func TestSecretFileProblems(t *testing.T) {
	o := options(t)
	write(t, o, "ok", hunter)
	write(t, o, "empty", "\n")
	write(t, o, "big", strings.Repeat("x", maxSecretFile+1))
	write(t, o, "full", strings.Repeat("x", maxSecretFile))
	write(t, o, "sample", "ChangeMe\n")
	for _, tc := range []struct{ env, want string }{
		{"OPENCTI_TOKEN_FILE=ok", "OPENCTI_TOKEN_FILE: given together with OPENCTI_TOKEN; keep one"},
		{"MQ_PASS_FILE=./none", `MQ_PASS_FILE: cannot read "./none": no such file or directory`},
		{"MQ_PASS_FILE=" + hunter, "MQ_PASS_FILE: cannot read the file that it names: no such file or directory"},
		{"MQ_PASS_FILE=/", `MQ_PASS_FILE: cannot read "/": is a directory`},
		{"MQ_PASS_FILE=./empty", `MQ_PASS_FILE: "./empty" is empty`},
		{"MQ_PASS_FILE=./big", `MQ_PASS_FILE: cannot read "./big": larger than 64 KiB`},
		{"MQ_PASS_FILE=./full", ""},
		{"MQ_PASS_FILE=sample", "MQ_PASS_FILE: still the placeholder of the sample; write your own value"},
	} {
		o.Environ = minimal(tc.env)
		if tc.want == "" {
			load(t, o)
			continue
		}
		if got := lines(t, o); len(got) != 1 || got[0] != tc.want {
			t.Errorf("%s\ngot  %q\nwant %q", tc.env, got, tc.want)
		}
	}
	o.Environ = minimal()
	write(t, o, "config.yml", "mq: {pass: a, pass_file: ok}\n")
	if got := lines(t, o); len(got) != 1 || got[0] != "mq.pass_file (config.yml:1): given together with mq.pass; keep one" {
		t.Errorf("got %q", got)
	}
}

func TestPEM(t *testing.T) {
	cert, key := certificate(t)
	o := options(t)
	write(t, o, "cert.pem", cert)
	write(t, o, "key.pem", key)
	write(t, o, "config.yml", "mq:\n  use_ssl_key: |\n    "+strings.ReplaceAll(strings.TrimSpace(key), "\n", "\n    ")+"\n")
	o.Environ = minimal("OPENCTI_SSL_VERIFY=cert.pem", "MQ_USE_SSL_CERT="+cert,
		"CONNECTOR_LISTEN_PROTOCOL_API_SSL=true", "LISTEN_PROTOCOL_API_SSL_KEY=key.pem", "LISTEN_PROTOCOL_API_SSL_CERT=cert.pem")
	s := load(t, o)
	if !s.OpenCTISSLVerify || s.OpenCTICA != cert || s.ListenAPISSLKey != Secret(key) || s.Connectors[0].ListenAPIURI != "https://127.0.0.1:7070" ||
		strings.TrimSpace(s.MQUseSSLKey.Reveal()) != strings.TrimSpace(key) || s.MQUseSSLCert == "" {
		t.Error("PEM text is not read")
	}
	i := slices.IndexFunc(s.Values(), func(v Value) bool { return v.Name == "MQ_USE_SSL_CERT" })
	if got := s.Values()[i].Value; got != "[inline PEM]" {
		t.Errorf("shown as %q", got)
	}

	locked := strings.ReplaceAll(key, "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY")
	for _, tc := range []struct{ env, want string }{
		{"MQ_USE_SSL_CA=key.pem", `MQ_USE_SSL_CA="key.pem": holds no PEM block of CERTIFICATE`},
		{"MQ_USE_SSL_CA=" + key, "MQ_USE_SSL_CA: holds no PEM block of CERTIFICATE"},
		{"OPENCTI_SSL_VERIFY=" + key, "OPENCTI_SSL_VERIFY: neither true, false nor a CA bundle: holds no PEM block of CERTIFICATE"},
		{"MQ_USE_SSL_KEY=cert.pem", "MQ_USE_SSL_KEY: holds no PEM block of PRIVATE KEY"},
		{"MQ_USE_SSL_KEY=key.pem", "MQ_USE_SSL_KEY: needs MQ_USE_SSL_CERT"},
		{"MQ_USE_SSL_CERT=cert.pem", `MQ_USE_SSL_CERT="cert.pem": needs MQ_USE_SSL_KEY`},
		{"ENRICHGATE_HTTP_TLS_CERT=cert.pem", `ENRICHGATE_HTTP_TLS_CERT="cert.pem": needs ENRICHGATE_HTTP_TLS_KEY`},
		{"ENRICHGATE_HTTP_TLS_KEY=key.pem", "ENRICHGATE_HTTP_TLS_KEY: needs ENRICHGATE_HTTP_TLS_CERT"},
		{"LISTEN_PROTOCOL_API_SSL_KEY=" + locked, "LISTEN_PROTOCOL_API_SSL_KEY: the key is encrypted and needs LISTEN_PROTOCOL_API_SSL_PASSPHRASE"},
		{"MQ_USE_SSL_KEY=" + locked, "MQ_USE_SSL_KEY: the key is encrypted and needs MQ_USE_SSL_PASSPHRASE"},
	} {
		o := options(t, minimal(tc.env)...)
		write(t, o, "cert.pem", cert)
		write(t, o, "key.pem", key)
		if strings.Contains(tc.want, "MQ_USE_SSL_PASSPHRASE") {
			o.Environ = append(o.Environ, "MQ_USE_SSL_CERT=cert.pem")
		}
		if got := lines(t, o); len(got) != 1 || got[0] != tc.want {
			t.Errorf("%s\ngot  %q\nwant %q", tc.env, got, tc.want)
		}
	}
}

// certificate makes a certificate and its key.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, priv.Public(), priv)
	if err != nil {
		t.Fatal(err)
	}
	kder, err := x509.MarshalECPrivateKey(priv)
	if err != nil {
		t.Fatal(err)
	}
	block := func(typ string, b []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: typ, Bytes: b}))
	}
	return block("CERTIFICATE", der), block("EC PRIVATE KEY", kder)
}

// A folder, because root reads every file.
func TestUnreadableSecretFile(t *testing.T) {
	o := options(t, minimal("MQ_PASS_FILE=./locked")...)
	if err := os.Mkdir(filepath.Join(o.Dir, "locked"), 0o700); err != nil {
		t.Fatal(err)
	}
	if got := lines(t, o); len(got) != 1 || !strings.Contains(got[0], "MQ_PASS_FILE: cannot read") {
		t.Errorf("got %q", got)
	}
}
