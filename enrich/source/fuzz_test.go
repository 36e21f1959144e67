package source

import (
	"context"
	"net/http"
	"runtime"
	"testing"
	"testing/fstest"
	"time"

	"github.com/enrichgate/enrichgate/enrich/source/wire"
	"github.com/enrichgate/enrichgate/stixconv"
)

// seeds are the bodies of all fixtures, and the hostile ones.
func seeds(f *testing.F, all []*Definition) (bodies [][]byte) {
	f.Helper()
	for _, d := range all {
		for i := range d.tests.Fixtures {
			bodies = append(bodies, d.tests.Fixtures[i].body)
		}
	}
	for _, h := range hostileAnswers(nil) {
		if len(h.body) < 4096 {
			bodies = append(bodies, h.body)
		}
	}
	return bodies
}

// bounded fails a run that takes long or makes much of little.
func bounded(t *testing.T, size int, run func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	run()
	took := time.Since(began)
	runtime.ReadMemStats(&after)
	if made := after.TotalAlloc - before.TotalAlloc; took > 20*time.Second || made > 1<<30 {
		t.Errorf("%s and %d bytes for an answer of %d", took, made, size)
	}
}

// Whatever comes back, each definition gives it a class, keeps nothing but JSON,
// and neither panics nor hangs nor eats memory.
func FuzzClassify(f *testing.F) {
	all := catalogue(f)
	for i, body := range seeds(f, all) {
		f.Add(i, 200, "application/json", "", body)
		f.Add(i, 429, "text/html", "60", body)
	}
	f.Fuzz(func(t *testing.T, pick, status int, kind, after string, body []byte) {
		d := all[(pick&0x7fffffff)%len(all)]
		status = 100 + (status&0x7fffffff)%500
		s, err := d.openForTrial(nil)
		if err != nil {
			t.Fatal(err)
		}
		header := http.Header{"Content-Type": {kind}, "Retry-After": {after}, "X-Ratelimit-Remaining": {after}}
		bounded(t, len(body), func() {
			for _, l := range d.lookups {
				x := newExchange(status, header, body)
				in := s.scope(l, "192.0.2.10")
				class, _ := d.classify(context.Background(), l, x, in)
				if class.Keep() && (!x.json || status >= 500 || status >= 300 && status < 400) {
					t.Errorf("%s keeps a %d", d.Name(), status)
				}
				d.says(context.Background(), x, in)
				d.usageIn(context.Background(), x, in)
			}
		})
	})
}

// Whatever comes back about many values, each has one answer; what is kept of
// one speaks of it, and nothing is kept of an answer that failed.
func FuzzSplit(f *testing.F) {
	var all []*Definition
	for _, d := range catalogue(f) {
		for _, l := range d.lookups {
			if l.batch != nil {
				all = append(all, d)
				break
			}
		}
	}
	for i, d := range all {
		for _, x := range d.tests.Batches {
			f.Add(i, x.Status, x.body)
		}
	}
	for i, body := range seeds(f, all) {
		f.Add(i, 200, body)
	}
	f.Fuzz(func(t *testing.T, pick, status int, body []byte) {
		d := all[(pick&0x7fffffff)%len(all)]
		status = 100 + (status&0x7fffffff)%500
		s, err := d.openForTrial(nil)
		if err != nil {
			t.Fatal(err)
		}
		bounded(t, len(body), func() {
			for _, l := range d.lookups {
				if l.batch == nil {
					continue
				}
				ls, in := s.together(l, d.tests.Batches[0].Values)
				answers := s.answeredMany(context.Background(), l, ls, in, wire.Reply{Status: status, Header: http.Header{}, Body: body, Sent: true})
				if len(answers) != len(ls) {
					t.Fatalf("%d answers to %d", len(answers), len(ls))
				}
				for i, a := range answers {
					if a.Class.Keep() && (status < 200 || status >= 300) {
						t.Errorf("%s keeps a %d of %s", d.Name(), status, ls[i].Value)
					}
				}
			}
		})
	})
}

// Whatever a mapping is given, what it makes converts to a bundle, the same one
// each time.
func FuzzMapping(f *testing.F) {
	all := catalogue(f)
	for i, body := range seeds(f, all) {
		f.Add(i, body)
	}
	f.Fuzz(func(t *testing.T, pick int, body []byte) {
		d := all[(pick&0x7fffffff)%len(all)]
		s, err := d.openForTrial(nil)
		if err != nil {
			t.Fatal(err)
		}
		bounded(t, len(body), func() {
			for _, l := range d.lookups {
				intents, _ := d.intents(l, body, s.scope(l, "192.0.2.10"))
				facts, _ := collect(intents, trialTime())
				in := stixconv.Input{
					Entity: stixconv.Object{"id": "ipv4-addr--12592121-be4c-5a93-a813-5a5af16e50db", "type": "ipv4-addr", "value": "192.0.2.10"},
					Facts:  []stixconv.Facts{facts}, Author: s.Author(),
				}
				first, again := encoded(t, in), encoded(t, in)
				if first != again {
					t.Errorf("%s: another bundle each time", d.Name())
				}
				if _, err := stixconv.DecodeBundle([]byte(first)); err != nil {
					t.Errorf("%s: %v", d.Name(), err)
				}
			}
		})
	})
}

func encoded(t *testing.T, in stixconv.Input) string {
	t.Helper()
	out, err := stixconv.Convert(in)
	if err != nil {
		t.Fatal(err)
	}
	data, err := out.Bundle.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// Whatever stands in a definition, reading it ends: with a definition, or with
// problems that name a file. Even one that was not tried keeps no web page.
func FuzzLoad(f *testing.F) {
	skeleton := skeleton(f, "acme")
	f.Add(string(skeleton["acme/source.yaml"].Data), string(skeleton["acme/fixtures.yaml"].Data))
	for _, d := range catalogue(f) {
		f.Add(string(d.Text()), "fixtures: []")
	}
	f.Fuzz(func(t *testing.T, text, fixtures string) {
		fsys := fstest.MapFS{}
		for path, file := range skeleton {
			fsys[path] = file
		}
		fsys["acme/source.yaml"], fsys["acme/fixtures.yaml"] = &fstest.MapFile{Data: []byte(text)}, &fstest.MapFile{Data: []byte(fixtures)}
		bounded(t, len(text), func() {
			d, problems := loadOne(fsys, "acme", false)
			if d == nil && len(problems) == 0 {
				t.Error("neither a definition nor a problem")
			}
			_, _, more := loadFixtures(fsys, "acme")
			for _, p := range append(problems, more...) {
				if p.File == "" || p.Reason == "" {
					t.Errorf("%+v", p)
				}
			}
			if d == nil {
				return
			}
			class, _ := d.classify(context.Background(), d.lookups[0], newExchange(200, nil, []byte("<html>")), scope{})
			if class.Keep() {
				t.Error("a web page is kept")
			}
			d.Settings()
			d.Row()
		})
	})
}

// Whatever a program says, compiling it ends, and so does running it.
func FuzzProgram(f *testing.F) {
	for _, d := range catalogue(f) {
		f.Add(d.def.Map)
		for _, r := range d.def.Classify {
			f.Add(r.When)
		}
	}
	f.Add(`[.a[] | {b: .c}] | group_by(.b) | map(add) | join("-")`)
	f.Add(`def f(x): [x, x]; f(f(f(.)))`)
	input := map[string]any{"a": []any{"x", 1, nil, map[string]any{"b": 2.5}}, "s": "text"}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 2000 {
			return // a definition is its author's; growth by its own length is not a fault
		}
		p, err := compile(text, newLibrary())
		if err != nil {
			return
		}
		bounded(t, len(text), func() { _, _ = p.run(t.Context(), input, scope{params: map[string]any{}}) })
	})
}
