package opencti

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/enrichgate/enrichgate/enrich/opencti/openctitest"
	"github.com/enrichgate/enrichgate/enrich/opencti/sandbox"
)

// Two connectors listen at one port over TLS, the worker posts to them, and
// results leave by the API or by the broker.
func TestListeningByAPI(t *testing.T) {
	t.Parallel()
	broker := openctitest.TestBroker(t)
	certs, err := openctitest.NewCertificates(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, openctitest.StartPlatform(t, sandbox.Options{AMQPURL: broker.URL(), CallbackDelay: 10 * time.Millisecond}))
	address := freeAddress(t)
	listening := func(name, queue string) Config {
		c := w.config(name)
		path := "/api/" + name
		c.ListenProtocol, c.QueueProtocol, c.CallbackURI = ProtocolAPI, queue, "https://"+address+path
		c.Callback = CallbackConfig{Listen: address, Path: path, Cert: certs.ServerCert, Key: encrypted(t, certs.ServerKey, "x"), Passphrase: "x"}
		return c
	}
	byAPI, byAMQP := listening("by-api", ProtocolAPI), listening("by-amqp", ProtocolAMQP)
	g, _ := w.run(byAPI, byAMQP)
	w.done(w.ask(byAPI.ID, host(0)), w.ask(byAMQP.ID, host(1)))
	w.paidOnce(2)
	if w.platform.Count(sandbox.OpBundlePush) != 1 {
		t.Errorf("%d bundles were pushed by the API", w.platform.Count(sandbox.OpBundlePush))
	}
	registered := len(w.platform.Registered())
	for _, c := range []Config{byAPI, byAMQP} {
		if status := w.post(t, "https://"+address+c.Callback.Path, "GET"); status != http.StatusMethodNotAllowed {
			t.Errorf("GET is answered by %d", status)
		}
	}
	if status := w.post(t, "https://"+address+"/elsewhere", "POST"); status != http.StatusNotFound {
		t.Errorf("another path is answered by %d", status)
	}
	if status := w.post(t, "https://"+address+"/health", "GET"); status != http.StatusOK {
		t.Errorf("whether it listens is answered by %d", status)
	}
	if status := w.post(t, "https://"+address+byAPI.Callback.Path, "POST"); status != http.StatusUnauthorized {
		t.Errorf("no token is answered by %d", status)
	}
	if n := len(w.platform.Registered()); n != registered {
		t.Error("a request without a token made us register")
	}
	// A rotated key is learnt by registering again, once the last time is long ago.
	if err := w.platform.RotateKeys(); err != nil {
		t.Fatal(err)
	}
	for _, c := range g.Connectors() {
		<-c.registering
		c.registering <- time.Time{}
	}
	w.done(w.ask(byAPI.ID, host(2)), w.ask(byAMQP.ID, host(3)))
	if n := len(w.platform.Registered()); n != registered+2 {
		t.Errorf("%d registrations for a rotated key", n-registered)
	}
	openctitest.NoProblems(t, w.platform)
}

func (w *world) post(t *testing.T, uri, method string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, uri, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := insecure().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// store is an S3 store that takes objects.
type store struct {
	*httptest.Server
	mu      sync.Mutex
	objects map[string][]byte
	old     []string // keys that it lists as old
	deleted []string
	fail    int
}

func newStore(t *testing.T) *store {
	s := &store{objects: map[string][]byte{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=sandbox/") {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	switch {
	case r.Method == http.MethodPut && s.fail > 0:
		s.fail--
		w.WriteHeader(http.StatusServiceUnavailable)
	case r.Method == http.MethodPut:
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		s.objects[strings.TrimPrefix(r.URL.Path, "/")] = unchunked(body)
		w.Header().Set("ETag", `"x"`)
	case r.Method == http.MethodDelete:
		s.deleted = append(s.deleted, strings.TrimPrefix(r.URL.Path, "/"))
		w.WriteHeader(http.StatusNoContent)
	default:
		fmt.Fprint(w, `<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated>`)
		for _, key := range s.old {
			fmt.Fprintf(w, `<Contents><Key>%s</Key><LastModified>2020-01-01T00:00:00.000Z</LastModified><Size>1</Size></Contents>`, key)
		}
		fmt.Fprint(w, `</ListBucketResult>`)
	}
}

// unchunked undoes the signed chunks in which S3 takes bodies without TLS.
func unchunked(body []byte) (plain []byte) {
	for {
		head, rest, ok := bytes.Cut(body, []byte("\r\n"))
		var size int
		if _, err := fmt.Sscanf(string(head), "%x;", &size); !ok || err != nil || size == 0 || size > len(rest) {
			return plain
		}
		plain, body = append(plain, rest[:size]...), bytes.TrimPrefix(rest[size:], []byte("\r\n"))
	}
}

// Bundles go to a directory and to S3, once each, beside the queue or without it.
func TestOtherOutputs(t *testing.T) {
	t.Parallel()
	for _, noQueue := range []bool{false, true} {
		t.Run(fmt.Sprintf("without the queue: %v", noQueue), func(t *testing.T) {
			w := newWorld(t, openctitest.StartPlatform(t, sandbox.Options{AMQPURL: openctitest.TestBroker(t).URL()}))
			s3 := newStore(t)
			s3.fail, s3.old = 1, []string{"connectors/two_words-20200101-000000-1.json"}
			dir := t.TempDir()
			hostPort := strings.TrimPrefix(s3.URL, "http://")
			name, port, _ := strings.Cut(hostPort, ":")
			c := w.config("Two words")
			c.Output = OutputConfig{
				NoQueue: noQueue, Directory: dir, DirectoryRetention: 7 * 24 * time.Hour,
				S3: &S3Config{Endpoint: name, Folder: "connectors", Retention: 24 * time.Hour},
			}
			_, _ = fmt.Sscan(port, &c.Output.S3.Port)
			stale, foreign := filepath.Join(dir, "two_words-20200101-000000-1.json"), filepath.Join(dir, "foreign.json")
			long := time.Now().Add(-8 * 24 * time.Hour)
			for _, file := range []string{stale, foreign} {
				if err := os.WriteFile(file, []byte("{}"), 0o600); err != nil {
					t.Fatal(err)
				}
				if err := os.Chtimes(file, long, long); err != nil {
					t.Fatal(err)
				}
			}
			w.run(c)
			work := w.ask(c.ID, host(0))
			if noQueue {
				openctitest.Eventually(t, func() bool { n, _, err := w.platform.QueueDepth(openctitest.Context(t)); return err == nil && n == 0 }, "the message is taken")
			} else {
				w.done(work)
			}
			var documents [][]byte
			openctitest.Eventually(t, func() bool {
				files, _ := filepath.Glob(filepath.Join(dir, "two_words-2*.json"))
				s3.mu.Lock()
				defer s3.mu.Unlock()
				documents = nil
				for _, f := range files {
					b, _ := os.ReadFile(f)
					documents = append(documents, b)
				}
				for key, b := range s3.objects {
					if strings.HasPrefix(key, "sandbox/connectors/two_words-") {
						documents = append(documents, b)
					}
				}
				return len(documents) == 2 && len(s3.deleted) == 1
			}, "both copies are there, and what is old is not")
			kinds := map[string]bool{}
			for _, b := range documents {
				var d struct {
					BundleType string `json:"bundle_type"`
					Connector  struct{ Name, Type, Scope string }
					Bundle     struct{ Objects []any }
				}
				if err := json.Unmarshal(b, &d); err != nil || d.Connector.Type != "INTERNAL_ENRICHMENT" || len(d.Bundle.Objects) < 3 {
					t.Errorf("%v in %s", err, b)
				}
				kinds[d.BundleType] = true
			}
			if !kinds["DIRECTORY_BUNDLE"] || !kinds["S3_BUNDLE"] {
				t.Errorf("kinds: %v", kinds)
			}
			if _, err := os.Stat(foreign); err != nil {
				t.Error("somebody else's file was dropped")
			}
			if k := w.platform.Work(work); noQueue && (k.Received || k.ProcessedCount > 0 || w.platform.Pushed() > 0) {
				t.Errorf("the queue is off, and yet: %v", k)
			}
			openctitest.NoProblems(t, w.platform)
		})
	}
}

// Results are put before an analyst first: in a draft or a workbench.
func TestValidateBeforeImport(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ version, mode string }{{"7.260817.0", validateDraft}, {"7.260701.0", validateWorkbench}, {"6.9.28", validateWorkbench}} {
		t.Run(c.version, func(t *testing.T) {
			w := newWorld(t, openctitest.StartPlatform(t, sandbox.Options{AMQPURL: openctitest.TestBroker(t).URL(), Version: c.version}))
			config := w.config("validated")
			config.Output.ValidateBeforeImport = true
			w.run(config)
			work := w.ask(config.ID, host(0))
			k := w.ended(work)
			uploads, drafts := w.platform.Uploads(), w.platform.Drafts()
			switch {
			case len(k.Errors) > 0 || k.Processed != k.Expected:
				t.Errorf("%v", k)
			case c.mode == validateWorkbench && (len(uploads) != 1 || len(drafts) != 0 || w.platform.Pushed() != 0):
				t.Errorf("%d uploads, %d drafts, %d messages", len(uploads), len(drafts), w.platform.Pushed())
			case c.mode == validateWorkbench && (uploads[0].Name != work+".json" || !json.Valid(uploads[0].Content) || uploads[0].EntityID != host(0).ID):
				t.Errorf("uploaded %+v", uploads[0])
			case c.mode == validateDraft && (len(uploads) != 0 || len(drafts) != 1 || k.DraftID != drafts[0]):
				t.Errorf("%d uploads, %d drafts, %v", len(uploads), len(drafts), k)
			}
			for _, m := range w.platform.PushMessages() {
				if m.DraftID != drafts[0] {
					t.Errorf("a message went to the draft %q", m.DraftID)
				}
			}
			openctitest.NoProblems(t, w.platform)
		})
	}
}

func insecure() *http.Client {
	return &http.Client{Transport: insecureTransport()}
}

// The client speaks through a proxy, with the operator's headers, and gives up in time.
func TestClientOnItsWay(t *testing.T) {
	hang := make(chan struct{})
	var got *http.Request
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Clone(context.Background())
		if strings.Contains(r.Header.Get("X-Slow"), "yes") {
			<-hang
		}
		fmt.Fprint(w, `{"data":{"about":{"version":"7.260817.0"}}}`)
	}))
	defer front.Close()
	defer close(hang)
	client := NewClient(ClientConfig{URL: "http://opencti.example.com/", Token: "token", Headers: http.Header{"Authorization": {"Basic eA=="}, "X-Front": {"1"}},
		HTTP: &http.Client{Transport: proxied(front.URL)}})
	if err := client.Do(t.Context(), opHealth, map[string]any{}, "", nil); err != nil {
		t.Fatal(err)
	}
	if got.URL.Host != "opencti.example.com" || got.URL.Path != "/graphql" || got.Header.Get("Authorization") != "Basic eA==" || got.Header.Get("X-Front") != "1" {
		t.Errorf("the proxy saw %s with %v", got.URL, got.Header)
	}
	if v, there := got.Header["Opencti-Draft-Id"]; !there || v[0] != "" {
		t.Errorf("the draft header is %q", v)
	}
	slow := NewClient(ClientConfig{URL: front.URL, Headers: http.Header{"X-Slow": {"yes"}}, HTTP: &http.Client{Timeout: 50 * time.Millisecond}})
	err := slow.Do(t.Context(), opHealth, map[string]any{}, "", nil)
	if err == nil || !transient(err) || notPerformed(err) {
		t.Errorf("a platform that hangs: %v", err)
	}
}
