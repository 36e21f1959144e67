package logging

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/slogtest"
	"time"
)

var testTime = time.Date(2026, 11, 23, 21, 40, 43, 222548999, time.FixedZone("X", 3600))

// line logs one record at a fixed time and returns what was written.
func line(t *testing.T, h slog.Handler, buf *bytes.Buffer, l slog.Level, msg string, args ...any) string {
	t.Helper()
	buf.Reset()
	r := slog.NewRecord(testTime, l, msg, 0)
	r.Add(args...)
	if err := h.Handle(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

func TestJSONShape(t *testing.T) {
	var buf bytes.Buffer
	h := NewHandler(&buf, Options{Name: "My Connector", JSON: true})
	const head = `{"timestamp": "2026-11-23T20:40:43.222548Z", "level": `
	type point struct {
		X int               `json:"x"`
		M map[string]string `json:"m"`
		L []any             `json:"l"`
	}
	for _, tc := range []struct {
		h     slog.Handler
		level slog.Level
		msg   string
		args  []any
		want  string
	}{
		{h, slog.LevelInfo, "Message ack", []any{"tag", 1},
			`"INFO", "name": "My Connector", "message": "Message ack", "attributes": {"tag": 1}}`},
		{h, slog.LevelDebug, "plain", nil, `"DEBUG", "name": "My Connector", "message": "plain"}`},
		{h, slog.LevelWarn, "w", nil, `"WARNING", "name": "My Connector", "message": "w"}`},
		{h, slog.LevelError, "no error given", nil,
			`"ERROR", "name": "My Connector", "message": "no error given", "exc_info": "NoneType: None"}`},
		{h, LevelCritical, "c", []any{"error", errors.New("boom")},
			`"CRITICAL", "name": "My Connector", "message": "c", "exc_info": "boom", "attributes": {"error": "boom"}}`},
		{h.WithAttrs([]slog.Attr{slog.Any("error", io.EOF)}), slog.LevelError, "with", nil,
			`"ERROR", "name": "My Connector", "message": "with", "exc_info": "EOF", "attributes": {"error": "EOF"}}`},
		{h.WithGroup("g"), slog.LevelError, "grouped", []any{"error", "inner"},
			`"ERROR", "name": "My Connector", "message": "grouped", "exc_info": "NoneType: None", "attributes": {"g": {"error": "inner"}}}`},
		{h, slog.LevelInfo, "a\"b\\c\nd\x1b[2J\u009b\u2028\xff", nil,
			`"INFO", "name": "My Connector", "message": "a\"b\\c\nd\u001b[2J\u009b\u2028` + "\ufffd" + `"}`},
		{h, slog.LevelInfo, "kinds", []any{"d", 1500 * time.Millisecond, "t", testTime, "f", 0.5, "nan", math.NaN(), "b", true, "u", uint64(math.MaxUint64), "n", nil},
			`"INFO", "name": "My Connector", "message": "kinds", "attributes": {"d": "1.5s", "t": "2026-11-23T20:40:43.222548Z", "f": 0.5, "nan": "NaN", "b": true, "u": 18446744073709551615, "n": null}}`},
		{h, slog.LevelInfo, "any", []any{"p", point{1, map[string]string{"a": "<b>"}, []any{nil, true, 1.5, []int{}, struct{}{}}}},
			`"INFO", "name": "My Connector", "message": "any", "attributes": {"p": {"x": 1, "m": {"a": "<b>"}, "l": [null, true, 1.5, [], {}]}}}`},
		{h, slog.LevelInfo, "bad", []any{"ch", make(chan int), "nil", (*nilErr)(nil), "panic", panicky{}},
			`"INFO", "name": "My Connector", "message": "bad", "attributes": {"ch": "!ERROR:json: unsupported type: chan int", "nil": "!PANIC: *logging.nilErr", "panic": "!ERROR:logging.panicky panicked"}}`},
		{h.WithGroup("a").WithGroup("b").WithAttrs([]slog.Attr{slog.Int("x", 1)}).WithGroup("c"), slog.LevelInfo, "nest", []any{"y", 2},
			`"INFO", "name": "My Connector", "message": "nest", "attributes": {"a": {"b": {"x": 1, "c": {"y": 2}}}}}`},
		{h.WithGroup("a").WithAttrs([]slog.Attr{slog.Int("x", 1)}).WithGroup("c"), slog.LevelInfo, "empty", []any{slog.Group("d")},
			`"INFO", "name": "My Connector", "message": "empty", "attributes": {"a": {"x": 1}}}`},
	} {
		got := line(t, tc.h, &buf, tc.level, tc.msg, tc.args...)
		if want := head + tc.want + "\n"; got != want {
			t.Errorf("got  %swant %s", got, want)
		}
		if !json.Valid([]byte(got)) {
			t.Errorf("not JSON: %s", got)
		}
	}
}

type nilErr struct{ s string }

func (e *nilErr) Error() string { return e.s }

type panicky struct{}

func (panicky) MarshalJSON() ([]byte, error) { panic("no") }

func TestTextShape(t *testing.T) {
	var buf bytes.Buffer
	h := NewHandler(&buf, Options{Name: "My Connector"})
	for _, tc := range []struct {
		h    slog.Handler
		msg  string
		args []any
		want string
	}{
		{h, "Message ack", []any{"tag", 1}, "INFO:My Connector:Message ack tag=1\n"},
		{h, "two\nlines\x1b", []any{"k", "a b", "e", "", "q", `x"y`, "error", io.EOF},
			`INFO:My Connector:two\nlines\x1b k="a b" e="" q="x\"y" error=EOF` + "\n"},
		{h.WithAttrs([]slog.Attr{slog.Int("x", 1)}).WithGroup("g"), "m", []any{slog.Group("in", "y", 2), "z", 3},
			"INFO:My Connector:m x=1 g.in.y=2 g.z=3\n"},
	} {
		if got := line(t, tc.h, &buf, slog.LevelInfo, tc.msg, tc.args...); got != tc.want {
			t.Errorf("got  %swant %s", got, tc.want)
		}
	}
}

func TestLevels(t *testing.T) {
	var buf bytes.Buffer
	var level slog.LevelVar
	level.Set(slog.LevelError)
	l := New(&buf, Options{Level: &level})
	l.Info("quiet")
	if buf.Len() != 0 {
		t.Errorf("wrote %q below the level", buf.String())
	}
	level.Set(slog.LevelDebug)
	l.Debug("heard")
	if got := buf.String(); got != "DEBUG::heard\n" {
		t.Errorf("got %q", got)
	}
	for name, want := range map[string]slog.Level{
		"debug": slog.LevelDebug, "INFO": slog.LevelInfo, "Warn": slog.LevelWarn,
		"warning": slog.LevelWarn, "error": slog.LevelError, "CRITICAL": LevelCritical,
	} {
		if got, err := ParseLevel(name); err != nil || got != want {
			t.Errorf("ParseLevel(%q) = %v, %v", name, got, err)
		}
	}
	if _, err := ParseLevel("loud"); err == nil {
		t.Error("ParseLevel(loud) gave no error")
	}
}

func TestSlogtest(t *testing.T) {
	var buf bytes.Buffer
	h := NewHandler(&buf, Options{Name: "n", JSON: true})
	results := func() []map[string]any {
		var all []map[string]any
		for l := range strings.Lines(buf.String()) {
			var in map[string]any
			if err := json.Unmarshal([]byte(l), &in); err != nil {
				t.Fatalf("%v: %s", err, l)
			}
			out := map[string]any{}
			if attrs, ok := in["attributes"].(map[string]any); ok {
				out = attrs
			}
			for ours, theirs := range map[string]string{"timestamp": slog.TimeKey, "level": slog.LevelKey, "message": slog.MessageKey} {
				if v, ok := in[ours]; ok {
					out[theirs] = v
				}
			}
			all = append(all, out)
		}
		return all
	}
	if err := slogtest.TestHandler(h, results); err != nil {
		t.Error(err)
	}
}

func TestSecretsNeverAppear(t *testing.T) {
	const (
		token = "flgrn_octi_tkn_abc/def"
		pass  = `p@ss "w\rd` + "é"
		short = "abc"
		digit = "12345678"
		keyed = "message" // a secret that looks like the line's own keys
		late  = "from-the-registration"
	)
	secrets := []string{token, pass, short, digit, keyed, token + "-longer"}
	type inner struct {
		Token string
		Map   map[string]any
	}
	_, urlErr := url.Parse("amqp://user:" + url.QueryEscape(pass) + "@host:bad")
	if urlErr == nil {
		t.Fatal("the URL should not parse")
	}
	for _, asJSON := range []bool{true, false} {
		t.Run(fmt.Sprintf("json=%v", asJSON), func(t *testing.T) {
			var buf bytes.Buffer
			h := NewHandler(&buf, Options{Name: "name " + token, JSON: asJSON, Secrets: secrets})
			h.AddSecret(late)
			l := slog.New(h).With("bearer", "Bearer "+token).WithGroup(token)
			l.Error("token "+token+"-longer and "+pass,
				"quoted", fmt.Sprintf("%q", pass),
				"n", 12345678,
				"f", 12345678.0,
				"late", late,
				pass, 1,
				slog.Group("g"+digit, "v", []byte(token)),
				"any", inner{token, map[string]any{pass: pass, "list": []any{token, 12345678}}},
				"error", fmt.Errorf("wrapped: %w", urlErr),
				"short", short)
			slog.New(h).Error("plain", "error", errors.New("401 for "+token))
			got := buf.String()
			bare := got
			if asJSON {
				for l := range strings.Lines(got) {
					var v map[string]any
					if err := json.Unmarshal([]byte(l), &v); err != nil {
						t.Fatalf("%v: %s", err, l)
					}
				}
				bare = strings.ReplaceAll(got, `"message": `, "")
			}
			for _, s := range []string{token, pass, digit, keyed, late, url.QueryEscape(pass), fmt.Sprintf("%q", pass), "-longer", `\"w`} {
				if strings.Contains(bare, s) {
					t.Errorf("%q appears in %s", s, got)
				}
			}
			if !strings.Contains(got, short) {
				t.Errorf("a value under four characters was replaced: %s", got)
			}
		})
	}
}

// Lines of many goroutines arrive whole, one Write each.
func TestConcurrentLinesStayWhole(t *testing.T) {
	var w countingWriter
	h := NewHandler(&w, Options{Name: "n", JSON: true, Secrets: []string{"secret-0"}})
	const goroutines, lines = 16, 50
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			l := slog.New(h).With("g", g)
			for i := range lines {
				h.AddSecret(fmt.Sprintf("secret-%d-%d", g, i))
				l.Info("line", "i", i, "pad", strings.Repeat("x", i*10))
			}
		})
	}
	wg.Wait()
	if w.writes != goroutines*lines {
		t.Errorf("%d writes for %d lines", w.writes, goroutines*lines)
	}
	for l := range strings.Lines(w.buf.String()) {
		if !json.Valid([]byte(l)) {
			t.Fatalf("broken line %q", l)
		}
	}
}

// countingWriter is not safe for concurrent use: the race detector checks that
// the handler serializes.
type countingWriter struct {
	writes int
	buf    bytes.Buffer
}

func (w *countingWriter) Write(p []byte) (int, error) {
	w.writes++
	return w.buf.Write(p)
}

func TestWriteErrorIsReturned(t *testing.T) {
	h := NewHandler(brokenWriter{}, Options{})
	if err := h.Handle(context.Background(), slog.Record{}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v", err)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// Whatever is logged, a JSON line is one line and valid.
func FuzzLine(f *testing.F) {
	f.Add("message", "key", "value", "secret")
	f.Add("a\nb", "", `{"x": 1}`, `", "`)
	f.Add("\xff", "k", "[redacted]", "redacted")
	f.Fuzz(func(t *testing.T, msg, key, value, secret string) {
		var buf bytes.Buffer
		for _, asJSON := range []bool{true, false} {
			buf.Reset()
			l := New(&buf, Options{Name: value, JSON: asJSON, Secrets: []string{secret}})
			l.WithGroup(key).With(value, msg).Error(msg, key, value, "any", map[string]string{key: value}, slog.Group(value, key, msg))
			got := buf.String()
			if strings.Count(got, "\n") != 1 || !strings.HasSuffix(got, "\n") {
				t.Fatalf("not one line: %q", got)
			}
			if asJSON && !json.Valid([]byte(got)) {
				t.Fatalf("not JSON: %q", got)
			}
		}
	})
}

func BenchmarkLine(b *testing.B) {
	secrets := []string{"flgrn_octi_tkn_0123456789abcdef", "another-api-key-0123456789"}
	for _, bc := range []struct {
		name string
		o    Options
	}{
		{"json", Options{Name: "n", JSON: true}},
		{"json-secrets", Options{Name: "n", JSON: true, Secrets: secrets}},
		{"text-secrets", Options{Name: "n", Secrets: secrets}},
	} {
		b.Run(bc.name, func(b *testing.B) {
			l := New(io.Discard, bc.o).With("component", "opencti")
			b.ReportAllocs()
			for b.Loop() {
				l.Info("Message ack", "tag", 1, "work", "work_b5d1e2f0-6c1a", "took", time.Second)
			}
		})
	}
}
