package source

import (
	"fmt"

	"github.com/itchyny/gojq"
)

// opUnusable marks, among a mapping's intents, where a part of it failed.
const opUnusable = "$unusable"

// isolate has each intent of a mapping fail for itself. What stands between the
// commas of a mapping, and what comes behind its pipes, is done for one row of
// the answer; jq would end the whole program at the first of them that is not
// what the mapping expects, and with it everything that the answer says.
func isolate(q *gojq.Query) {
	switch {
	case q == nil:
	case q.Op == gojq.OpComma:
		isolate(q.Left)
		isolate(q.Right)
		q.Left, q.Right = caught(q.Left), caught(q.Right)
	case q.Op == gojq.OpPipe && len(q.Patterns) <= 1: // of ?// each pattern is tried until one does not fail
		isolate(q.Right)
		q.Right = caught(q.Right)
	case q.Term != nil && len(q.Term.SuffixList) == 0:
		isolate(q.Term.Query)
		if branches := q.Term.If; branches != nil {
			isolate(branches.Then)
			for _, e := range branches.Elif {
				isolate(e.Then)
			}
			isolate(branches.Else)
		}
	}
}

// caught is try q catch {op: opUnusable, reason: .}, unless q is a list of
// caught ones.
func caught(q *gojq.Query) *gojq.Query {
	if q.Op == gojq.OpComma {
		return q
	}
	reason := &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeIdentity}}
	op := &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeString, Str: &gojq.String{Str: opUnusable}}}
	marker := &gojq.Term{Type: gojq.TermTypeObject, Object: &gojq.Object{KeyVals: []*gojq.ObjectKeyVal{{Key: "op", Val: op}, {Key: "reason", Val: reason}}}}
	return &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeTry, Try: &gojq.Try{Body: q, Catch: &gojq.Query{Term: marker}}}}
}

// unusable is the reason that a marker brings; false for what is none.
func unusable(v any) (reason error, is bool) {
	o, _ := v.(map[string]any)
	if o["op"] != opUnusable {
		return nil, false
	}
	return fmt.Errorf("jq: %v", o["reason"]), true
}
