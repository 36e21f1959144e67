package httpapi

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/enrichgate/enrichgate/enrich"
)

func TestCacheDirectives(t *testing.T) {
	for header, want := range map[string]enrich.Directives{
		"":                                 {},
		"only-if-cached":                   {OnlyIfCached: true},
		"Only-If-Cached, max-age=60":       {OnlyIfCached: true, MaxAge: time.Minute},
		"no-cache":                         {NoCache: true},
		"no-store":                         {NoCache: true},
		"max-age=0":                        {NoCache: true},
		`max-age="60"`:                     {MaxAge: time.Minute},
		"max-age = 60 , no-transform":      {MaxAge: time.Minute},
		"max-stale, min-fresh=5,x=\"a,b\"": {},
		", ,no-cache,":                     {NoCache: true},
		"max-age=99999999999999999999":     {MaxAge: (1<<31 - 1) * time.Second},
		`x="no-cache"`:                     {},
	} {
		got, err := cacheDirectives(http.Header{"Cache-Control": {header}})
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v; want %+v", header, got, err, want)
		}
	}
	for _, header := range []string{"max-age", "max-age=", "max-age=-1", "max-age=soon", "max-age=1.5", `max-age="60`, "no-cache max-age=1", "a=b=c", "(", "é"} {
		if d, err := cacheDirectives(http.Header{"Cache-Control": {header}}); err == nil {
			t.Errorf("%q: %+v", header, d)
		}
	}
	if d, err := cacheDirectives(http.Header{"Cache-Control": {"no-cache", "only-if-cached"}}); err != nil || !d.NoCache || !d.OnlyIfCached {
		t.Errorf("two lines: %+v, %v", d, err)
	}
}

// A request that goes on after a crash never wants it fresher than at first.
func TestGoingOn(t *testing.T) {
	now := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		first enrich.Directives
		ago   time.Duration
		want  enrich.Directives
	}{
		{enrich.Directives{}, time.Minute, enrich.Directives{}},
		{enrich.Directives{OnlyIfCached: true}, time.Minute, enrich.Directives{OnlyIfCached: true}},
		{enrich.Directives{NoCache: true}, time.Minute, enrich.Directives{MaxAge: time.Minute}},
		{enrich.Directives{NoCache: true}, 0, enrich.Directives{MaxAge: time.Second}},
		{enrich.Directives{MaxAge: time.Hour}, time.Minute, enrich.Directives{MaxAge: time.Hour}},
		{enrich.Directives{MaxAge: time.Second}, time.Minute, enrich.Directives{MaxAge: time.Minute}},
	} {
		if got := goingOn(c.first, now.Add(-c.ago), now); got != c.want {
			t.Errorf("%+v, %s ago: %+v, want %+v", c.first, c.ago, got, c.want)
		}
		if got := goingOn(c.first, time.Time{}, now); got != c.first {
			t.Errorf("%+v, new: %+v", c.first, got)
		}
	}
}

func TestPatience(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"": defaultWait, "wait=20": 20 * time.Second, "respond-async, wait=5": 5 * time.Second, "Wait=7; x=1, wait=9": 7 * time.Second,
		"wait=0": time.Millisecond, "wait=100000": longestWait, "wait=-1": defaultWait, "wait=x": defaultWait, "wait": defaultWait,
		`wait="3"`: 3 * time.Second, "return=minimal": defaultWait, `"`: defaultWait,
	} {
		w := httptest.NewRecorder()
		if got := patience(w, &http.Request{Header: http.Header{"Prefer": {header}}}); got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
}

func FuzzElements(f *testing.F) {
	for _, s := range []string{"max-age=60, no-cache", `x="a\"b,c";p=1`, "wait=20", `a="`, ",,", "a=b=c", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		all, err := elements([]string{s})
		if err == nil && len(all) > len(s) {
			t.Errorf("%q has %d elements", s, len(all))
		}
		for _, e := range all {
			if e.name == "" {
				t.Errorf("%q: an element without a name", s)
			}
		}
		h := http.Header{"Cache-Control": {s}, "Prefer": {s}}
		if d, err := cacheDirectives(h); err == nil && d.MaxAge < 0 {
			t.Errorf("%q: %+v", s, d)
		}
		if wait := patience(httptest.NewRecorder(), &http.Request{Header: h}); wait <= 0 || wait > longestWait {
			t.Errorf("%q: %s", s, wait)
		}
	})
}

func FuzzReadBatch(f *testing.F) {
	f.Add("application/json", `{"values":["198.51.100.7",{"value":"example.com","tlp":"TLP:GREEN"}],"max_units":5}`)
	f.Add("application/x-ndjson", "\"198.51.100.7\"\n\n{\"value\":\"example.com\"}\r\nnull\n")
	f.Add("application/json", `{"values":null}`)
	f.Add("text/plain; charset=x", `[]`)
	f.Fuzz(func(t *testing.T, contentType, body string) {
		query := ""
		if strings.Contains(contentType, "ndjson") {
			query = "?tlp=TLP:GREEN&max_units=5"
		}
		r := httptest.NewRequest(http.MethodPost, "/api/v1/lookups"+query, nil)
		r.Header.Set("Content-Type", contentType)
		b, err := readBatch(r, []byte(body))
		if err != nil {
			if problemOf(err).Status != http.StatusBadRequest {
				t.Errorf("%q: %v", body, err)
			}
			return
		}
		if len(b.Values) == 0 || len(b.Values) > mostValues || b.MaxUnits != nil && *b.MaxUnits < 0 {
			t.Errorf("%q: %d values", body, len(b.Values))
		}
		for _, q := range b.Values {
			_, _ = q.entity()
		}
	})
}

// Whatever the path, what a source is shown has no segment of dots and no empty
// one before its end, and both forms of it say the same.
func FuzzMirror(f *testing.F) {
	f.Add("/proxy/et/v1//ips/198.51.100.7/reputation?x=1")
	f.Add("/proxy/et/../../etc/passwd")
	f.Add("/proxy/et/%2e%2e/%2f")
	f.Add("/proxy/et/%2f")
	f.Add("/proxy/et/a%2f/")
	f.Fuzz(func(t *testing.T, target string) {
		r, err := http.NewRequest(http.MethodGet, target, nil)
		if err != nil {
			return
		}
		source, m, ok := mirror(r)
		if !ok {
			return
		}
		raw := m.URL.EscapedPath()
		if twin := slashTwin(slashTwin(m)); twin.URL.EscapedPath() != raw || twin.URL.Path != m.URL.Path {
			t.Errorf("%q: the twin's twin is %q", target, twin.URL.EscapedPath())
		}
		plain, err := url.PathUnescape(raw)
		if err != nil || plain != m.URL.Path || strings.Contains(source, "/") {
			t.Errorf("%q: %q for %q, %v", target, m.URL.Path, raw, err)
		}
		for i, segment := range strings.Split(strings.TrimSuffix(raw, "/"), "/") {
			if segment == ".." || segment == "." || segment == "" && i > 0 {
				t.Errorf("%q became %q", target, raw)
			}
		}
	})
}
