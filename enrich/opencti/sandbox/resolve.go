package sandbox

import (
	"slices"
	"strings"
)

// The operations of a connector, as Call.Operation and Intercept name them.
const (
	OpAbout           = "about"
	OpMe              = "me"
	OpRegister        = "registerConnector"
	OpPing            = "pingConnector"
	OpDelete          = "deleteConnector"
	OpRead            = "stixCoreObject"
	OpWork            = "work"
	OpWorkAdd         = "workAdd"
	OpWorkAlive       = "isWorkAlive"
	OpToReceived      = "workEdit.toReceived"
	OpAddExpectations = "workEdit.addExpectations"
	// OpBegin is both of the above in one document.
	OpBegin        = "workEdit.toReceived+addExpectations"
	OpToProcessed  = "workEdit.toProcessed"
	OpReport       = "workEdit.reportExpectation"
	OpWorkPing     = "workEdit.ping"
	OpDraftContext = "workEdit.addDraftContext"
	OpBundlePush   = "stixBundlePush"
	OpStep         = "playbookStepExecution"
	OpPlaybook     = "playbook"
)

// root describes a root field: its type, the capabilities of which one is
// needed, and what it does.
type root struct {
	kind         string // "query" or "mutation"
	typ          string // of the answer, where gates need to know it
	capabilities []string
	do           func(*Platform, *request, *field) (any, *gqlError)
}

// roots are the fields of the schema's two root types that a connector uses.
func roots() map[string]root {
	knowledge := []string{"KNOWLEDGE"}
	connectorAPI := []string{"CONNECTORAPI"}
	worker := []string{"CONNECTORAPI", "MODULES_MODMANAGE"}
	return map[string]root{
		OpAbout:               {"query", "AppInfo", nil, (*Platform).about},
		OpMe:                  {"query", "MeUser", nil, (*Platform).me},
		OpRead:                {"query", "StixCoreObject", knowledge, (*Platform).read},
		"stixCyberObservable": {"query", "StixCyberObservable", knowledge, (*Platform).read},
		"stixDomainObject":    {"query", "StixDomainObject", knowledge, (*Platform).read},
		"stix":                {"query", "String", knowledge, (*Platform).readStix},
		OpWork:                {"query", "Work", []string{"MODULES"}, (*Platform).readWork},
		OpWorkAlive:           {"query", "Boolean", []string{"MODULES"}, (*Platform).workAlive},
		OpPlaybook:            {"query", "Playbook", []string{"AUTOMATION"}, (*Platform).readPlaybook},
		"connector":           {"query", "Connector", []string{"MODULES"}, (*Platform).readConnector},
		OpRegister:            {"mutation", "Connector", connectorAPI, (*Platform).register},
		OpPing:                {"mutation", "Connector", connectorAPI, (*Platform).ping},
		OpDelete:              {"mutation", "ID", []string{"MODULES_MODMANAGE"}, (*Platform).deleteConnector},
		OpBundlePush:          {"mutation", "Boolean", connectorAPI, (*Platform).bundlePush},
		OpUpload:              {"mutation", "File", []string{"KNOWLEDGE_KNASKIMPORT"}, (*Platform).upload},
		OpDraftAdd:            {"mutation", "DraftWorkspace", []string{"KNOWLEDGE_KNUPDATE"}, (*Platform).addDraft},
		OpStep:                {"mutation", "Boolean", connectorAPI, (*Platform).step},
		"workEdit":            {"mutation", "WorkEditMutations", worker, (*Platform).workEdit},
		OpWorkAdd:             {"mutation", "Work", worker, (*Platform).workAdd},
	}
}

// defaultCapabilities are those of OpenCTI's own connector role, as far as they
// matter here. AUTOMATION is not among them: playbooks have no names for it.
var defaultCapabilities = []string{
	"CONNECTORAPI", "KNOWLEDGE", "KNOWLEDGE_KNUPDATE", "KNOWLEDGE_KNASKIMPORT", "MODULES", "MODULES_MODMANAGE",
}

func (p *Platform) capabilities() []string {
	if p.opt.Capabilities == nil {
		return defaultCapabilities
	}
	return p.opt.Capabilities
}

// run answers one root field. known says that the caller is the connector's user.
func (p *Platform) run(req *request, f *field, known bool) (any, *gqlError) {
	if f.name == "__typename" {
		return strings.ToUpper(req.op.kind[:1]) + req.op.kind[1:], nil
	}
	r := roots()[f.name]
	if !known {
		return nil, errAuth
	}
	if r.capabilities != nil && !slices.ContainsFunc(r.capabilities, func(c string) bool {
		return slices.Contains(p.capabilities(), c) || slices.Contains(p.capabilities(), "BYPASS")
	}) {
		return nil, errForbidden
	}
	return r.do(p, req, f)
}

// operationName names the first root field, with the mutations behind workEdit.
func operationName(op *operation) string {
	if op == nil || len(op.sel) == 0 {
		return ""
	}
	f := op.sel[0]
	if f.name == "workEdit" && len(f.sel) > 0 {
		var edits []string
		for _, edit := range f.sel {
			if !edit.fragment {
				edits = append(edits, edit.name)
			}
		}
		return f.name + "." + strings.Join(edits, "+")
	}
	return f.name
}

// variables completes the given variables by defaults and insists on required ones.
func (op *operation) variables(given map[string]any) (map[string]any, error) {
	vars := map[string]any{}
	for _, d := range op.vars {
		v, ok := given[d.name]
		switch {
		case !ok && d.hasDef:
			vars[d.name] = d.def
		case v == nil && strings.HasSuffix(d.typ, "!"):
			return nil, badInput("Variable \"$%s\" of required type %q was not provided.", d.name, d.typ)
		case ok:
			vars[d.name] = v
		}
	}
	return vars, checkVariables(op, op.sel)
}

// checkVariables refuses variables that are used but not declared.
func checkVariables(op *operation, sel []*field) error {
	for _, f := range sel {
		for _, v := range f.args {
			name, ok := v.(variable)
			if ok && !slices.ContainsFunc(op.vars, func(d varDef) bool { return d.name == string(name) }) {
				return invalid("Variable \"$%s\" is not defined.", name)
			}
		}
		if err := checkVariables(op, f.sel); err != nil {
			return err
		}
	}
	return nil
}

// resolveArgs puts the variables' values in place. An argument whose variable has no value is absent.
func (op *operation) resolveArgs(vars map[string]any) { resolveArgs(op.sel, vars) }

func resolveArgs(sel []*field, vars map[string]any) {
	for _, f := range sel {
		for name, v := range f.args {
			if v, ok := resolveValue(v, vars); ok {
				f.args[name] = v
			} else {
				delete(f.args, name)
			}
		}
		resolveArgs(f.sel, vars)
	}
}

func resolveValue(v any, vars map[string]any) (any, bool) {
	switch v := v.(type) {
	case variable:
		value, ok := vars[string(v)]
		return value, ok
	case []any:
		for i := range v {
			v[i], _ = resolveValue(v[i], vars)
		}
	case map[string]any:
		for k := range v {
			if value, ok := resolveValue(v[k], vars); ok {
				v[k] = value
			} else {
				delete(v, k)
			}
		}
	}
	return v, true
}

// childTypes leads from fields to the types that have gated fields.
var childTypes = map[string]string{"Connector.config": "ConnectorConfig"}

// gate refuses what a platform of this version does not know. given are the
// request's variables: what an input variable holds is judged apart from literals.
func (p *Platform) gate(op *operation, given map[string]any) error {
	parent := "Query"
	if op.kind == "mutation" {
		parent = "Mutation"
	}
	asked := map[string]int{}
	for _, f := range op.sel {
		if f.name == "__typename" {
			continue
		}
		// The platform's protection against batches counts aliases too.
		most := 2
		if op.kind == "mutation" {
			most = 1
		}
		if asked[f.name]++; asked[f.name] > most {
			err := invalid("Allowed number of calls for '%s' has been exceeded (max: %d)", f.name, most)
			p.update(func() { p.problemLocked(ErrSchema, "%v", err) })
			return err
		}
		r, ok := roots()[f.name]
		if !ok || r.kind != op.kind {
			err := invalid("Cannot query field %q on type %q.", f.name, parent)
			p.update(func() { p.problemLocked(ErrSchema, "%v", err) })
			return err
		}
		if err := p.gateField(f, parent, r.typ); err != nil {
			return err
		}
		if input, ok := f.args["input"].(map[string]any); ok && f.name == OpRegister {
			if err := p.gateInput(input, given); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *Platform) gateField(f *field, parent, typ string) error {
	if p.lacks(parent, f.name, "") {
		return invalid("Cannot query field %q on type %q.", f.name, parent)
	}
	for arg := range f.args {
		if p.lacks(parent, f.name, arg) {
			return invalid("Unknown argument %q on field \"%s.%s\".", arg, parent, f.name)
		}
	}
	for _, child := range f.sel {
		next := childTypes[typ+"."+child.name]
		if child.fragment {
			next = typ
		}
		if err := p.gateField(child, typ, next); err != nil {
			return err
		}
	}
	return nil
}

func (p *Platform) gateInput(input, given map[string]any) error {
	for key := range input {
		if _, ok := inputKinds[key]; ok && !p.lacks("RegisterConnectorInput", key, "") {
			continue
		}
		for name := range given {
			if _, ok := given[name].(map[string]any); ok {
				return badInput("Variable \"$%s\" got invalid value { ... }; Field %q is not defined by type \"RegisterConnectorInput\".", name, key)
			}
		}
		return invalid("Field %q is not defined by type \"RegisterConnectorInput\".", key)
	}
	return nil
}

// object is an answer before its selection: its GraphQL type, the interfaces
// that it implements, and its fields.
type object struct {
	typ        string
	implements []string
	fields     map[string]any
}

// project answers the selected fields of v, which is an object, a list of them,
// nil, or a scalar.
func project(v any, sel []*field) any {
	switch v := v.(type) {
	case *object:
		out := map[string]any{}
		v.into(out, sel)
		return out
	case []*object:
		out := make([]any, len(v))
		for i := range v {
			out[i] = project(v[i], sel)
		}
		return out
	}
	return v
}

func (o *object) into(out map[string]any, sel []*field) {
	for _, f := range sel {
		switch {
		case f.fragment:
			if f.on == "" || f.on == o.typ || slices.Contains(o.implements, f.on) {
				o.into(out, f.sel)
			}
		case f.name == "__typename":
			out[f.alias] = o.typ
		default:
			out[f.alias] = project(o.fields[f.name], f.sel)
		}
	}
}

// obj makes an object without interfaces.
func obj(typ string, fields map[string]any) *object { return &object{typ: typ, fields: fields} }

func (f *field) str(arg string) string {
	s, _ := f.args[arg].(string)
	return s
}

func (p *Platform) about(_ *request, f *field) (any, *gqlError) {
	return project(obj("AppInfo", map[string]any{"version": p.opt.Version}), f.sel), nil
}

func (p *Platform) me(_ *request, f *field) (any, *gqlError) {
	var caps []*object
	for _, c := range p.capabilities() {
		caps = append(caps, obj("Capability", map[string]any{"name": c}))
	}
	return project(obj("MeUser", map[string]any{
		"id": p.userID, "name": "[C] sandbox", "user_email": "connector@example.com", "capabilities": caps,
	}), f.sel), nil
}
