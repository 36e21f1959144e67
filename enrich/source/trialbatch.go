package source

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/enrich/source/wire"
)

// batches tries the answers about several values, and that every lookup with a
// batch has one.
func (t *trial) batches() {
	shown := map[string]bool{}
	for i := range t.d.tests.Batches {
		shown[t.batch(i)] = true
	}
	for i, l := range t.d.lookups {
		if l.batch != nil && !shown[l.block.ID] {
			t.problems = append(t.problems, t.def.problem([]string{"lookups", strconv.Itoa(i), "batch"}, "fixtures.yaml has no batch for it"))
		}
	}
}

// batch tries one and names the lookup that it is of.
func (t *trial) batch(i int) string {
	x := &t.d.tests.Batches[i]
	fail := func(key, format string, args ...any) {
		t.problems = append(t.problems, t.doc.problem([]string{"batches", strconv.Itoa(i), key}, format, args...))
	}
	own := t.d.lookups[0]
	if x.Lookup != "" {
		own = t.d.find(x.Lookup)
	}
	if own == nil || own.batch == nil {
		fail("lookup", "there is no batch of such a lookup")
		return ""
	}
	s, err := t.d.openForTrial(x.Params)
	if err != nil {
		fail("params", "%v", err)
		return own.block.ID
	}
	bare := &Source{d: &Definition{def: s.d.def}, base: s.base, secrets: s.secrets, params: s.params, agent: s.agent}
	req, err := bare.authorized(&own.batch.request, values{values: x.Values, params: s.params, secrets: s.secrets})
	if err != nil {
		fail("request", "%v", err)
	} else if line := req.Method + " " + req.URL.String()[len(s.base):]; line != x.Request {
		fail("request", "the definition asks %q", line)
	}
	ls, in := s.together(own, x.Values)
	var got []string
	for _, a := range s.answeredMany(context.Background(), own, ls, in, wire.Reply{Status: x.Status, Header: headerOf(x.Headers), Body: x.body, Sent: true}) {
		if a.AskAlone {
			got = append(got, alone)
		} else {
			got = append(got, a.Class.String())
		}
	}
	if strings.Join(got, ", ") != strings.Join(x.Classes, ", ") {
		fail("classes", "%s: the definition says %s", x.Name, strings.Join(got, ", "))
	}
	if len(t.problems) == 0 {
		t.hostileToMany(s, own, ls, in, i)
	}
	return own.block.ID
}

// together are lookups of several values, and what programs see of them.
func (s *Source) together(own *lookup, values []string) (ls []enrich.Lookup, in scope) {
	in = s.scope(own, "")
	for _, v := range values {
		ls = append(ls, s.lookup(own, v))
		in.values = append(in.values, v)
	}
	return ls, in
}

// hostileToMany holds split and rules against answers that no provider means.
func (t *trial) hostileToMany(s *Source, own *lookup, ls []enrich.Lookup, in scope, i int) {
	known := t.known()
	for _, x := range t.d.tests.Batches {
		known[fmt.Sprint(x.Status, canonical(x.body))] = true
	}
	x := &t.d.tests.Batches[i]
	for _, h := range hostileAnswers([][]byte{x.body}) {
		text := "huge"
		if len(h.body) < 1<<12 {
			text = canonical(h.body)
		}
		for _, status := range t.statuses() {
			if known[fmt.Sprint(status, text)] {
				continue
			}
			reply := wire.Reply{Status: status, Header: h.header(), Body: h.body, Sent: true}
			for _, a := range s.answeredMany(context.Background(), own, ls, in, reply) {
				if !a.Class.Keep() || a.AskAlone {
					continue
				}
				t.problems = append(t.problems, t.doc.problem([]string{"batches", strconv.Itoa(i)},
					"%s: %s under status %d would be kept as %s of %s", x.Name, h.name, status, a.Class, strings.Join(x.Values, " or ")))
				return
			}
		}
	}
}
