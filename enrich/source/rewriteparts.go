package source

import "github.com/itchyny/gojq"

// inside lists the queries that a term holds directly.
func inside(t *gojq.Term) (all []*gojq.Query) {
	all = append(all, t.Query)
	if t.Func != nil {
		all = append(all, t.Func.Args...)
	}
	if t.Array != nil {
		all = append(all, t.Array.Query)
	}
	if t.Object != nil {
		for _, kv := range t.Object.KeyVals {
			all = append(all, kv.KeyQuery, kv.Val)
		}
	}
	if t.Str != nil {
		all = append(all, t.Str.Queries...)
	}
	if t.If != nil {
		all = append(all, t.If.Cond, t.If.Then, t.If.Else)
		for _, e := range t.If.Elif {
			all = append(all, e.Cond, e.Then)
		}
	}
	if t.Try != nil {
		all = append(all, t.Try.Body, t.Try.Catch)
	}
	if t.Index != nil {
		all = append(all, t.Index.Start, t.Index.End)
	}
	for _, s := range t.SuffixList {
		if s.Index != nil {
			all = append(all, s.Index.Start, s.Index.End)
		}
	}
	return all
}

// texts lists the texts that stand for keys in a term.
func texts(t *gojq.Term) (all []*gojq.String) {
	if t.Object != nil {
		for _, kv := range t.Object.KeyVals {
			all = append(all, kv.KeyString)
		}
	}
	if t.Index != nil {
		all = append(all, t.Index.Str)
	}
	for _, s := range t.SuffixList {
		if s.Index != nil {
			all = append(all, s.Index.Str)
		}
	}
	return all
}
