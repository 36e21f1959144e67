package opencti

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enrichgate/enrichgate/enrich"
)

// paper is a platform without a network: it answers every operation with
// success, and notes when it was asked.
type paper struct {
	mu    sync.Mutex
	asked map[string][]time.Time
	// answers by operation replace the data of the answer.
	answers map[string]string
	sent    []map[string]any // the variables of each ping
	// requests are all of them; said, if set, is told of each.
	requests []paperRequest
	said     func(query string, variables map[string]any)
}

type paperRequest struct {
	Query     string
	Variables map[string]any
}

// name is the name of a document's operation.
func (p *paper) name(query string) string {
	_, rest, _ := strings.Cut(query, " ")
	name, _, _ := strings.Cut(strings.ReplaceAll(rest, " ", "("), "(")
	return name
}

func newPaper() *paper { return &paper{asked: map[string][]time.Time{}, answers: map[string]string{}} }

// readPaper reads a request; the file of one that brings a file is its variable.
func readPaper(r *http.Request) (req paperRequest, err error) {
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/") {
		return req, json.NewDecoder(r.Body).Decode(&req)
	}
	if err := r.ParseMultipartForm(1 << 20); err != nil {
		return req, err
	}
	file, header, err := r.FormFile("0")
	if err != nil {
		return req, err
	}
	content, err := io.ReadAll(file)
	if err != nil {
		return req, err
	}
	err = json.Unmarshal([]byte(r.FormValue("operations")), &req)
	if err == nil {
		req.Variables["file"] = map[string]any{"name": header.Filename, "content": json.RawMessage(content)}
	}
	return req, err
}

func (p *paper) RoundTrip(r *http.Request) (*http.Response, error) {
	req, err := readPaper(r)
	if err != nil {
		return nil, err
	}
	name := p.name(req.Query)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests = append(p.requests, req)
	if p.said != nil {
		p.said(req.Query, req.Variables)
	}
	p.asked[name] = append(p.asked[name], time.Now())
	data := p.answers[name]
	if data == "" {
		data = map[string]string{
			"healthCheck":       `{"about":{"version":"7.260817.0"}}`,
			"RegisterConnector": `{"registerConnector":{"connector_state":"{\"known\":1}","connector_user_id":"u","config":{"connection":{"host":"broker.example.com","port":5672},"listen":"l"}}}`,
			"PingConnector":     `{"pingConnector":{"connector_state":` + quoted(text(req.Variables["state"])) + `}}`,
			"ReadForEnrichment": `{"stixCoreObject":{"standard_id":"ipv4-addr--1","entity_type":"IPv4-Addr"}}`,
		}[name]
	}
	if name == "PingConnector" {
		p.sent = append(p.sent, req.Variables)
	}
	if data == "" {
		data = `{"workEdit":{"id":"work"}}`
	}
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader([]byte(`{"data":` + data + `}`)))}, nil
}

func text(v any) string { s, _ := v.(string); return s }

func (p *paper) lastSent() map[string]any {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sent[len(p.sent)-1]
}

func (p *paper) count(name string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.asked[name])
}

// connector is one whose platform is made of paper and whose clock is the bubble's.
func (p *paper) connector(t *testing.T, change func(*Config)) *Connector {
	t.Helper()
	journal, err := OpenJournal(filepath.Join(t.TempDir(), "journal.db"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := journal.Close(); err != nil {
			t.Error(err)
		}
	})
	c := Config{
		ID: "id", Name: "paper", Workers: 1, ShutdownTimeout: time.Second, QueueProtocol: ProtocolAMQP, Journal: journal,
		Client: NewClient(ClientConfig{URL: "http://opencti.example.com", HTTP: &http.Client{Transport: p}}),
		Log:    slog.New(slog.DiscardHandler), Registerer: freshRegistry(),
	}
	change(&c)
	return New(c)
}

// A broker that stays away is asked a bounded number of times a minute, and so
// is the platform about it.
func TestNoReconnectStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPaper()
		var dials []time.Time
		c := p.connector(t, func(c *Config) {
			c.dialer = func(context.Context, string, string) (net.Conn, error) {
				dials = append(dials, time.Now())
				return nil, errors.New("connection refused")
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Minute)
		defer cancel()
		if err := c.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if n := most(dials, time.Minute); n > 15 {
			t.Errorf("%d attempts to connect in a minute", n)
		}
		if n := most(dials[len(dials)/2:], time.Minute); n > 8 {
			t.Errorf("%d attempts to connect in a later minute", n)
		}
		if n := most(p.asked["RegisterConnector"], time.Minute); n > 7 {
			t.Errorf("%d registrations in a minute", n)
		}
		if n := p.count("PingConnector"); n < 45 || n > 47 { // the last says in which state it ends
			t.Errorf("%d pings in half an hour", n)
		}
		var longest time.Duration
		for i := range dials[1:] {
			longest = max(longest, dials[i+1].Sub(dials[i]))
		}
		if longest > recovery {
			t.Errorf("a broker that is back may wait %v", longest)
		}
	})
}

// most is the largest number of times within one span.
func most(times []time.Time, span time.Duration) (n int) {
	for i, from := range times {
		in := 0
		for _, at := range times[i:] {
			if at.Sub(from) < span {
				in++
			}
		}
		n = max(n, in)
	}
	return n
}

// A job of half an hour pings its work every five minutes, and says that it was
// received as soon as it is clear that it will take a while.
func TestALongJobPingsItsWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPaper()
		c := p.connector(t, func(c *Config) {
			c.Handle = func(ctx context.Context, _ enrich.Message, to enrich.Reporter) error {
				if err := to.Received(ctx); err != nil {
					return err
				}
				<-time.After(receivedAfter / 2)
				if p.count("workToReceived") != 0 {
					t.Error("received was told at once")
				}
				<-time.After(29 * time.Minute)
				if p.count("workToReceived") != 1 {
					t.Error("received was not told in time")
				}
				return to.Processed(ctx, "done", false)
			}
		})
		if err := c.register(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := c.consume(t.Context(), delivery{body: vector(t, "05-msg-manual-7x.json")}, nil); err != nil {
			t.Fatal(err)
		}
		if n := p.count("pingWork"); n != 5 {
			t.Errorf("%d pings of the work", n)
		}
		if n := p.count("workToReceived"); n != 1 {
			t.Errorf("received was told %d times", n)
		}
	})
}

// The platform's state is told before anything else and kept; a reset is told
// as nothing, and what we send next is our own again.
func TestState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPaper()
		var mu sync.Mutex
		var told []string
		heard := func() []string {
			mu.Lock()
			defer mu.Unlock()
			all := told
			told = nil
			return all
		}
		own := `{"spent":5}`
		c := p.connector(t, func(c *Config) {
			c.State = func() string { return own }
			c.OnState = func(s string) {
				mu.Lock()
				defer mu.Unlock()
				told = append(told, s)
			}
			c.dialer = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("not today") }
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- c.Run(ctx) }()
		<-time.After(30 * time.Second)
		if told := heard(); len(told) == 0 || told[0] != `{"known":1}` || p.lastSent()["state"] != own {
			t.Errorf("told %q, sent %v", told, p.lastSent())
		}
		p.mu.Lock()
		p.answers["PingConnector"] = `{"pingConnector":{"connector_state":""}}`
		p.answers["RegisterConnector"] = strings.Replace(`{"registerConnector":{"connector_state":"S","connector_user_id":"u","config":{"connection":{},"listen":"l"}}}`, `"S"`, quoted(own), 1)
		p.mu.Unlock()
		<-time.After(41 * time.Second)
		if told := heard(); !slices.Contains(told, "") || p.lastSent()["state"] != own {
			t.Errorf("told %q, sent %v", told, p.lastSent())
		}
		info, _ := p.lastSent()["connectorInfo"].(map[string]any)
		if len(info) != 6 || info["buffering"] != false || info["queue_threshold"] != 500.0 {
			t.Errorf("connector info: %v", info)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// Without a State of ours the platform keeps what it has.
func TestStateIsKept(t *testing.T) {
	p := newPaper()
	c := p.connector(t, func(*Config) {})
	if err := errors.Join(c.register(t.Context()), c.ping(t.Context())); err != nil {
		t.Fatal(err)
	}
	if p.sent[0]["state"] != `{"known":1}` {
		t.Errorf("sent %v", p.sent[0]["state"])
	}
	p.answers["PingConnector"] = `{"pingConnector":{"connector_state":""}}`
	if err := errors.Join(c.ping(t.Context()), c.ping(t.Context())); err != nil {
		t.Fatal(err)
	}
	if p.sent[2]["state"] != "null" {
		t.Errorf("after a reset %v is sent", p.sent[2]["state"])
	}
}

// An entity that keeps coming by itself is left alone for a while; one that is
// asked for by hand or by a playbook never is.
func TestLoops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPaper()
		var handled int
		c := p.connector(t, func(c *Config) {
			c.LoopLimit, c.LoopWindow = 3, 10*time.Minute
			c.Handle = func(ctx context.Context, m enrich.Message, to enrich.Reporter) error {
				handled++
				return to.Processed(ctx, "done", false)
			}
		})
		if err := c.register(t.Context()); err != nil {
			t.Fatal(err)
		}
		sent := 0
		send := func(file string, n int) {
			for range n {
				sent++
				body := bytes.ReplaceAll(vector(t, file), []byte("10:00:00.123Z"), []byte("10:00:00."+strconv.Itoa(sent)+"Z"))
				if err := c.consume(t.Context(), delivery{body: body}, nil); err != nil {
					t.Fatal(err)
				}
			}
		}
		send("07-msg-auto-update-in-draft-7x.json", 20)
		if handled != 3 || p.count("workToProcessed") != 20 || p.count("ReadForEnrichment") != 3 {
			t.Errorf("%d handled, %d ended, %d read", handled, p.count("workToProcessed"), p.count("ReadForEnrichment"))
		}
		send("05-msg-manual-7x.json", 5)
		if handled != 8 {
			t.Errorf("%d handled with those asked for by hand", handled)
		}
		<-time.After(11 * time.Minute)
		send("06-msg-auto-create-7x.json", 1)
		if handled != 9 {
			t.Errorf("%d handled after the window", handled)
		}
	})
}

func TestLoopGuardIsBounded(t *testing.T) {
	g := newLoopGuard(0, 0)
	for i := range 5 * loopEntities {
		g.count(strings.Repeat("x", i%7) + time.Duration(i).String())
	}
	if n := len(g.recent) + len(g.older); n > 2*loopEntities {
		t.Errorf("%d entities are watched", n)
	}
}
