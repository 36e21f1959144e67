package source

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/enrichgate/enrichgate/enrich"
)

// hostile holds the rules against answers that no provider means.
func (t *trial) hostile() {
	own := t.known()
	for _, l := range t.d.lookups {
		x := t.exampleOf(l)
		if x == nil {
			continue
		}
		s, err := t.d.openForTrial(x.Params)
		if err != nil {
			continue
		}
		planned, err := s.planned(x)
		if err != nil {
			continue
		}
		t.hostileTo(l, s.scope(l, planned.Value), own)
	}
}

// hostileTo tries one lookup: each answer is decoded once, for all statuses.
func (t *trial) hostileTo(l *lookup, in scope, own map[string]bool) {
	for _, h := range hostileAnswers(t.d.bodies(l)) {
		x, text := newExchange(0, h.header(), h.body), "huge"
		if len(h.body) < 1<<12 { // no fixture is one of the others
			text = canonical(h.body)
		}
		for _, status := range t.statuses() {
			if own[fmt.Sprint(status, text)] {
				continue
			}
			x.status, x.input["status"] = status, status
			if class, _ := t.d.classify(context.Background(), l, x, in); class.Keep() {
				t.refuseHostile(l, status, h, class)
			}
		}
	}
}

// refuseHostile blames the first rule that could have said so. One complaint a
// rule is enough: it gives the first answer and counts the others.
func (t *trial) refuseHostile(l *lookup, status int, h hostileAnswer, class enrich.Class) {
	at := t.ruleOf(l, status, class)
	key := strings.Join(at, ".")
	if p := t.blamed[key]; p != nil {
		p.more++
		return
	}
	if t.blamed == nil {
		t.blamed = map[string]*blame{}
	}
	t.blamed[key] = &blame{at: at, text: fmt.Sprintf("%s under status %d would be kept as %s", h.name, status, class)}
}

// blame is a rule that would keep what no provider means.
type blame struct {
	at   []string
	text string
	more int
}

// ruleOf is the path of the first rule that gives the class under the status.
func (t *trial) ruleOf(l *lookup, status int, class enrich.Class) []string {
	for i, rules := range [][]ruleBlock{l.block.Classify, t.d.def.Classify} {
		for j, r := range rules {
			if r.Class != class.String() || len(r.Status) > 0 && !slices.Contains(r.Status, status) {
				continue
			}
			at := []string{"classify", strconv.Itoa(j)}
			if i == 0 {
				at = append([]string{"lookups", strconv.Itoa(slices.Index(t.d.lookups, l))}, at...)
			}
			return at
		}
	}
	return []string{"classify"}
}
