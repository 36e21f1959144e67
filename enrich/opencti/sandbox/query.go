package sandbox

import "strconv"

// The reader of GraphQL documents: enough of the language to find out what any
// client asks for. It does not know the schema; Options.Check does.

// field is one selected field, or an inline fragment (fragment true, on may be "").
// Named fragments are expanded into inline ones.
type field struct {
	fragment bool
	on       string

	alias, name string
	args        map[string]any
	sel         []*field

	spread string
}

// variable is a reference to a variable inside an argument.
type variable string

type varDef struct {
	name, typ string
	def       any
	hasDef    bool
}

type operation struct {
	kind, name string // kind is "query" or "mutation"
	vars       []varDef
	sel        []*field
}

type parser struct {
	toks      []token
	pos       int
	fragments map[string]*field
	fields    int // after expansion
}

// parseQuery returns the operation with that name, or the only one when name is "".
func parseQuery(src, name string) (*operation, error) {
	toks, err := lex(src)
	if err != nil {
		return nil, err
	}
	p := &parser{toks: toks, fragments: map[string]*field{}}
	var ops []*operation
	for p.peek().kind != tokEOF {
		op, err := p.definition()
		if err != nil {
			return nil, err
		}
		if op != nil {
			ops = append(ops, op)
		}
	}
	for _, op := range ops {
		if op.name != name && name != "" {
			continue
		}
		if name == "" && len(ops) > 1 {
			return nil, invalid("Must provide operation name if query contains multiple operations.")
		}
		if op.sel, err = p.expand(op.sel, 0); err != nil {
			return nil, err
		}
		return op, nil
	}
	return nil, invalid("Unknown operation named %q.", name)
}

// expand replaces spreads of named fragments by the fragments. Fragments in
// circles, or that multiply, end at a limit.
func (p *parser) expand(sel []*field, depth int) ([]*field, error) {
	if p.fields += len(sel); depth > 32 || p.fields > 10_000 {
		return nil, invalid("Cannot spread fragment within itself.")
	}
	for i, f := range sel {
		if f.spread != "" {
			frag, ok := p.fragments[f.spread]
			if !ok {
				return nil, invalid("Unknown fragment %q.", f.spread)
			}
			clone := *frag
			f = &clone
			sel[i] = f
		}
		children, err := p.expand(append([]*field(nil), f.sel...), depth+1)
		if err != nil {
			return nil, err
		}
		f.sel = children
	}
	return sel, nil
}

func (p *parser) definition() (*operation, error) {
	if t := p.peek(); t.kind == tokPunct && t.text == "{" {
		sel, err := p.selectionSet()
		return &operation{kind: "query", sel: sel}, err
	}
	word, err := p.word()
	if err != nil {
		return nil, err
	}
	switch word {
	case "query", "mutation":
		return p.operation(word)
	case "fragment":
		return nil, p.fragment()
	}
	p.pos--
	return nil, p.unexpected("query, mutation or fragment")
}

func (p *parser) fragment() error {
	name, err := p.word()
	if err != nil {
		return err
	}
	if on, err := p.word(); err != nil || on != "on" {
		return p.unexpected("\"on\"")
	}
	f := &field{fragment: true}
	if f.on, err = p.word(); err != nil {
		return err
	}
	if err := p.directives(); err != nil {
		return err
	}
	if f.sel, err = p.selectionSet(); err != nil {
		return err
	}
	p.fragments[name] = f
	return nil
}

func (p *parser) operation(kind string) (*operation, error) {
	op := &operation{kind: kind}
	if p.peek().kind == tokName {
		op.name = p.next().text
	}
	if p.accept("(") {
		for !p.accept(")") {
			d, err := p.varDef()
			if err != nil {
				return nil, err
			}
			op.vars = append(op.vars, d)
		}
	}
	if err := p.directives(); err != nil {
		return nil, err
	}
	var err error
	op.sel, err = p.selectionSet()
	return op, err
}

func (p *parser) varDef() (varDef, error) {
	var d varDef
	err := p.expect("$")
	if err != nil {
		return d, err
	}
	if d.name, err = p.word(); err != nil {
		return d, err
	}
	if err := p.expect(":"); err != nil {
		return d, err
	}
	if d.typ, err = p.typeRef(); err != nil {
		return d, err
	}
	if p.accept("=") {
		d.hasDef = true
		if d.def, err = p.value(); err != nil {
			return d, err
		}
	}
	return d, p.directives()
}

func (p *parser) typeRef() (string, error) {
	var s string
	if p.accept("[") {
		inner, err := p.typeRef()
		if err != nil {
			return "", err
		}
		if err := p.expect("]"); err != nil {
			return "", err
		}
		s = "[" + inner + "]"
	} else {
		name, err := p.word()
		if err != nil {
			return "", err
		}
		s = name
	}
	if p.accept("!") {
		s += "!"
	}
	return s, nil
}

func (p *parser) directives() error {
	for p.accept("@") {
		if _, err := p.word(); err != nil {
			return err
		}
		if _, err := p.arguments(); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) selectionSet() ([]*field, error) {
	if err := p.expect("{"); err != nil {
		return nil, err
	}
	var sel []*field
	for !p.accept("}") {
		f, err := p.selection()
		if err != nil {
			return nil, err
		}
		sel = append(sel, f)
	}
	if len(sel) == 0 {
		p.pos--
		return nil, p.unexpected("Name")
	}
	return sel, nil
}

func (p *parser) selection() (f *field, err error) {
	f = &field{}
	if p.accept("...") {
		f.fragment = true
		if p.peek().kind == tokName && p.peek().text != "on" {
			f.spread = p.next().text
			return f, p.directives()
		}
		if p.peek().kind == tokName {
			p.next()
			if f.on, err = p.word(); err != nil {
				return nil, err
			}
		}
		if err := p.directives(); err != nil {
			return nil, err
		}
		f.sel, err = p.selectionSet()
		return f, err
	}
	if f.name, err = p.word(); err != nil {
		return nil, err
	}
	f.alias = f.name
	if p.accept(":") {
		if f.name, err = p.word(); err != nil {
			return nil, err
		}
	}
	if f.args, err = p.arguments(); err != nil {
		return nil, err
	}
	if err := p.directives(); err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind == tokPunct && t.text == "{" {
		f.sel, err = p.selectionSet()
	}
	return f, err
}

func (p *parser) arguments() (map[string]any, error) {
	args := map[string]any{}
	if !p.accept("(") {
		return args, nil
	}
	for !p.accept(")") {
		name, err := p.word()
		if err != nil {
			return nil, err
		}
		if err := p.expect(":"); err != nil {
			return nil, err
		}
		if args[name], err = p.value(); err != nil {
			return nil, err
		}
	}
	return args, nil
}

func (p *parser) value() (any, error) {
	switch t := p.next(); t.kind {
	case tokString:
		return t.text, nil
	case tokNumber:
		f, err := strconv.ParseFloat(t.text, 64)
		return f, err
	case tokName:
		switch t.text {
		case "true":
			return true, nil
		case "false":
			return false, nil
		case "null":
			return nil, nil
		}
		return t.text, nil // an enum value
	case tokPunct:
		switch t.text {
		case "$":
			name, err := p.word()
			return variable(name), err
		case "[":
			return p.list()
		case "{":
			return p.object()
		}
	}
	p.pos--
	return nil, p.unexpected("a value")
}

func (p *parser) list() (any, error) {
	list := []any{}
	for !p.accept("]") {
		v, err := p.value()
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

func (p *parser) object() (any, error) {
	obj := map[string]any{}
	for !p.accept("}") {
		name, err := p.word()
		if err != nil {
			return nil, err
		}
		if err := p.expect(":"); err != nil {
			return nil, err
		}
		if obj[name], err = p.value(); err != nil {
			return nil, err
		}
	}
	return obj, nil
}
