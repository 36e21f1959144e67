package source

import (
	"fmt"
	"strings"

	"github.com/itchyny/gojq"
)

// rewriter walks a program before it is compiled: it refuses what programs here
// may not do, and has what they make charged to their run.
type rewriter struct {
	library library
	// scopes are the functions that are defined around the place, innermost last.
	scopes []map[string]bool
	// within are the functions whose bodies the place is in.
	within []string
}

// refusal is what a program may not do. Word is where to look for it.
type refusal struct{ reason, word string }

func (e *refusal) Error() string { return e.reason }

func refuse(word, format string, args ...any) error {
	return &refusal{reason: fmt.Sprintf(format, args...), word: word}
}

func signature(name string, arity int) string { return fmt.Sprintf("%s/%d", name, arity) }

// query walks one query and everything in it.
func (r *rewriter) query(q *gojq.Query) (err error) {
	if q == nil {
		return nil
	}
	if q.Meta != nil || len(q.Imports) > 0 {
		return refuse("import", "modules cannot be imported")
	}
	r.scopes = append(r.scopes, map[string]bool{})
	defer func() { r.scopes = r.scopes[:len(r.scopes)-1] }()
	for _, def := range q.FuncDefs {
		if err = r.define(def); err != nil {
			return err
		}
	}
	for _, p := range q.Patterns {
		if err = r.pattern(p); err != nil {
			return err
		}
	}
	for _, part := range []*gojq.Query{q.Left, q.Right} {
		if err = r.query(part); err != nil {
			return err
		}
	}
	if err = r.term(q.Term); err != nil {
		return err
	}
	return r.operator(q)
}

// operator charges what adds, and replaces what repeats texts (*) and compares
// each with each (-) by what is for numbers only.
func (r *rewriter) operator(q *gojq.Query) error {
	switch q.Op {
	case gojq.OpAdd:
		sum := &gojq.Query{Left: q.Left, Op: gojq.OpAdd, Right: q.Right}
		q.Left, q.Op, q.Right = sum, gojq.OpPipe, account("__charge")
	case gojq.OpMul, gojq.OpSub:
		name := map[gojq.Operator]string{gojq.OpMul: "__times", gojq.OpSub: "__minus"}[q.Op]
		q.Term = call(name, q.Left, q.Right)
		q.Left, q.Op, q.Right = nil, 0, nil
	case gojq.OpUpdateAdd, gojq.OpUpdateMul, gojq.OpUpdateSub, gojq.OpUpdateDiv, gojq.OpUpdateMod:
		return refuse(q.Op.String(), "%s is not available: write the sum out", q.Op)
	case gojq.OpAssign, gojq.OpModify, gojq.OpUpdateAlt:
		return assignable(q.Left)
	}
	return nil
}

// assignable refuses to set what has a computed place: a list is made as long as
// the place is far, and nobody would be charged for it.
func assignable(q *gojq.Query) error {
	if q == nil {
		return nil
	}
	if t := q.Term; t != nil {
		places := []*gojq.Index{t.Index}
		for _, s := range t.SuffixList {
			places = append(places, s.Index)
		}
		for _, at := range places {
			if at != nil && (at.Start != nil || at.End != nil) {
				return refuse("[", "only what has a name can be set, such as .a.b or .a[].b")
			}
		}
		if t.Type == gojq.TermTypeFunc && t.Func.Name != "select" {
			return refuse(t.Func.Name, "only what has a name can be set, such as .a.b or .a[].b")
		}
		if err := assignable(t.Query); err != nil {
			return err
		}
	}
	if err := assignable(q.Left); err != nil {
		return err
	}
	return assignable(q.Right)
}

// define walks a function. It may not call itself: that would be a loop.
func (r *rewriter) define(def *gojq.FuncDef) error {
	if r.library.knows(def.Name) || strings.HasPrefix(def.Name, "_") {
		return refuse(def.Name, "%s is the name of a function that exists already", def.Name)
	}
	inner := map[string]bool{}
	for _, arg := range def.Args {
		inner[signature(strings.TrimPrefix(arg, "$"), 0)] = true
	}
	name := signature(def.Name, len(def.Args))
	r.within, r.scopes = append(r.within, name), append(r.scopes, inner)
	err := r.query(def.Body)
	r.within, r.scopes = r.within[:len(r.within)-1], r.scopes[:len(r.scopes)-1]
	r.scopes[len(r.scopes)-1][name] = true
	return err
}

func (r *rewriter) local(name string) bool {
	for i := len(r.scopes) - 1; i >= 0; i-- {
		if r.scopes[i][name] {
			return true
		}
	}
	return false
}

func (r *rewriter) term(t *gojq.Term) error {
	if t == nil {
		return nil
	}
	switch t.Type {
	case gojq.TermTypeReduce, gojq.TermTypeForeach, gojq.TermTypeLabel, gojq.TermTypeBreak:
		word := map[gojq.TermType]string{gojq.TermTypeReduce: "reduce", gojq.TermTypeForeach: "foreach", gojq.TermTypeLabel: "label", gojq.TermTypeBreak: "break"}[t.Type]
		return refuse(word, "%s is not available: programs have no loops but those over what the answer holds", word)
	}
	for _, part := range inside(t) {
		if err := r.query(part); err != nil {
			return err
		}
	}
	for _, text := range texts(t) {
		if text != nil && len(text.Queries) > 0 {
			return refuse(`\(`, "a key cannot be made of parts: write (expression) for it")
		}
	}
	if t.Unary != nil {
		if err := r.term(t.Unary.Term); err != nil {
			return err
		}
	}
	books, err := r.books(t)
	if err != nil {
		return err
	}
	book(t, books)
	return nil
}

// books says what of a term is booked beside its instructions.
func (r *rewriter) books(t *gojq.Term) (cost, error) {
	switch t.Type {
	case gojq.TermTypeFunc:
		return r.function(t.Func)
	case gojq.TermTypeFormat:
		return cost{weighed: t.Str == nil, charged: true}, weighParts(t.Str)
	case gojq.TermTypeString:
		return cost{charged: t.Str != nil && len(t.Str.Queries) > 0}, weighParts(t.Str)
	}
	return cost{}, nil
}

// weighParts has what is put into a text weighed, since it may be anything.
func weighParts(text *gojq.String) error {
	if text == nil {
		return nil
	}
	for i, q := range text.Queries {
		if q.Term == nil || q.Term.Str == nil || q.Term.Type != gojq.TermTypeString {
			weighed := &gojq.Query{Left: q, Op: gojq.OpPipe, Right: account("__weigh")}
			text.Queries[i] = &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeQuery, Query: weighed}}
		}
	}
	return nil
}

// book puts the booking around a term.
func book(t *gojq.Term, c cost) {
	if !c.weighed && !c.charged {
		return
	}
	whole := withoutSuffix(*t)
	if c.weighed {
		whole = &gojq.Query{Left: account("__weigh"), Op: gojq.OpPipe, Right: whole}
	}
	if c.charged {
		whole = &gojq.Query{Left: whole, Op: gojq.OpPipe, Right: account("__charge")}
	}
	*t = gojq.Term{Type: gojq.TermTypeQuery, SuffixList: t.SuffixList, Query: whole}
}

// function holds a call against the list; its arguments were walked before.
func (r *rewriter) function(f *gojq.Func) (cost, error) {
	name := signature(f.Name, len(f.Args))
	switch {
	case strings.HasPrefix(f.Name, "$"):
		if strings.HasPrefix(f.Name, "$__") || f.Name == "$ENV" {
			return cost{}, refuse(f.Name, "%s is not available", f.Name)
		}
		return cost{}, nil // the compiler knows whether it is bound
	case contains(r.within, name):
		return cost{}, refuse(f.Name, "%s calls itself: programs have no loops but those over what the answer holds", f.Name)
	case r.local(name):
		return cost{}, nil
	}
	books, known := r.library[name]
	if !known {
		return cost{}, refuse(f.Name, "the function %s is not available", name)
	}
	if strings.Contains(replaced, " "+f.Name+" ") {
		f.Name = "__" + f.Name
	}
	return books, nil
}

func contains(list []string, s string) bool {
	for _, e := range list {
		if e == s {
			return true
		}
	}
	return false
}

// pattern walks the left side of "as", which may hold queries and names.
func (r *rewriter) pattern(p *gojq.Pattern) error {
	if p == nil {
		return nil
	}
	if strings.HasPrefix(p.Name, "$__") {
		return refuse(p.Name, "%s is not available", p.Name)
	}
	for _, e := range p.Array {
		if err := r.pattern(e); err != nil {
			return err
		}
	}
	for _, o := range p.Object {
		if o.KeyString != nil && len(o.KeyString.Queries) > 0 {
			return refuse(`\(`, "a key cannot be made of parts")
		}
		if err := r.query(o.KeyQuery); err != nil {
			return err
		}
		if err := r.pattern(o.Val); err != nil {
			return err
		}
	}
	return nil
}

// account calls a booking function with the run's budget.
func account(name string) *gojq.Query {
	return &gojq.Query{Term: call(name, &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeFunc, Func: &gojq.Func{Name: budgetVariable}}})}
}

func call(name string, args ...*gojq.Query) *gojq.Term {
	return &gojq.Term{Type: gojq.TermTypeFunc, Func: &gojq.Func{Name: name, Args: args}}
}

func withoutSuffix(t gojq.Term) *gojq.Query {
	t.SuffixList = nil
	return &gojq.Query{Term: &t}
}
