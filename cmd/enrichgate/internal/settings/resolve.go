package settings

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/enrichgate/enrichgate/quota"
)

// rank is a setting's place in the table.
func (l *loader) rank(name string) int {
	return slices.IndexFunc(l.rows, func(r row) bool { return r.Name == name })
}

// touched says whether somebody wrote a setting, rightly or wrongly.
func (l *loader) touched(name string) bool {
	_, given := l.given[name]
	return given || l.bad[name]
}

// sources decides which sources are used, and completes what is set for them.
func (l *loader) sources() {
	for _, spec := range l.o.Sources {
		s := l.target.Sources[spec.Name]
		s.Enabled = l.enabled(spec, s)
		l.limits(spec, s)
		for name, e := range s.Endpoints {
			e.Off = len(s.only) > 0 && !slices.Contains(s.only, name)
		}
		if s.Enabled {
			l.wantKeys(spec)
		}
	}
	if l.o.Need == NeedData || l.doc.broken || len(l.o.Sources) == 0 || slices.ContainsFunc(l.o.Sources, l.wanted) {
		return
	}
	if l.keyless() {
		return
	}
	spec := l.o.Sources[0]
	if len(l.o.Sources) > 1 {
		l.ruleAlways(spec.env(spec.Secrets[0].Env, spec.Secrets[0].Name),
			"required, or the key of another source (the README lists them); one without a key is named by CONNECTOR_SOURCE")
		return
	}
	l.wantKeys(spec)
}

// keyless enables the sources without a key of which something was set, when
// nobody tried to enable any: the environment of their public connectors has
// nothing else to know them by.
func (l *loader) keyless() (any bool) {
	for _, spec := range l.o.Sources {
		s := l.target.Sources[spec.Name]
		if len(spec.Secrets) == 0 && s.enabled == nil && l.mentioned(spec) {
			s.Enabled, any = true, true
		}
	}
	return any
}

// mentioned says whether somebody set something of this source and no other.
func (l *loader) mentioned(spec SourceSpec) bool {
	for _, r := range l.rows {
		if g, given := l.given[r.Name]; given && r.Source == spec.Name && spec.owns(r, g) {
			return true
		}
	}
	for name := range spec.Ignored {
		if _, set := l.env[name]; set && l.rank(name) < 0 {
			return true
		}
	}
	return false
}

// wanted says that somebody tried to enable a source.
func (l *loader) wanted(spec SourceSpec) bool {
	return l.target.Sources[spec.Name].Enabled || l.keyed(spec)
}

// enabled says whether a source is used.
func (l *loader) enabled(spec SourceSpec, s *Source) bool {
	switch {
	case s.enabled != nil:
		return *s.enabled
	case len(spec.Secrets) > 0:
		return l.keyed(spec)
	default:
		return slices.ContainsFunc(l.target.Connectors, func(c Connector) bool { return c.Source == spec.Name })
	}
}

// keyed says whether a key of the source was given.
func (l *loader) keyed(spec SourceSpec) bool {
	return slices.ContainsFunc(spec.Secrets, func(one SecretSpec) bool { return l.touched(spec.env(one.Env, one.Name)) })
}

// wantKeys reports the keys that an enabled source lacks.
func (l *loader) wantKeys(spec SourceSpec) {
	for _, one := range spec.Secrets {
		name := spec.env(one.Env, one.Name)
		if one.Optional || l.touched(name) || l.o.Need == NeedData || l.doc.broken {
			continue
		}
		rank := l.rank(name)
		g, _, _ := l.lookEnv(rank, l.rows[rank])
		l.ruleAlways(name, requiredText(l.rows[rank], given{hides: g.hides}))
	}
}

// ruleAlways reports that a setting is missing.
func (l *loader) ruleAlways(name, text string) {
	l.problems = append(l.problems, Problem{Name: name, Text: text, rank: l.rank(name)})
	l.bad[name] = true
}

// bind gives each connector its source, and fills in what follows from it.
func (l *loader) bind() {
	s := l.target.Settings
	ids, names, callbacks := map[string]int{}, map[string]int{}, map[string]int{}
	for i := range s.Connectors {
		c := &s.Connectors[i]
		l.bindSource(i, c)
		if source := s.Sources[c.Source]; source != nil {
			c.Name = cmp.Or(c.Name, source.Spec.Title)
			l.fit(i, c, source.Spec)
		}
		if c.ListenAPIURI == "" {
			scheme := "http"
			if s.ListenAPISSL {
				scheme = "https"
			}
			c.ListenAPIURI = scheme + "://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(c.ListenAPIPort))
		}
		if first, again := ids[strings.ToLower(c.ID)]; again && c.ID != "" {
			l.connectorProblem(i, "id", fmt.Sprintf("the same as that of connectors[%d]", first))
		}
		ids[strings.ToLower(c.ID)] = i
		if first, again := names[c.Name]; again && c.Name != "" {
			l.connectorProblem(i, "name", fmt.Sprintf("the same as that of connectors[%d]; give each its own", first))
		}
		names[c.Name] = i
		callback := strconv.Itoa(c.ListenAPIPort) + c.ListenAPIPath
		if first, again := callbacks[callback]; again && s.ListenProtocol == "API" {
			l.connectorProblem(i, "listen_protocol_api_path", fmt.Sprintf("the same, at the same port, as that of connectors[%d]", first))
		}
		callbacks[callback] = i
	}
	for _, source := range s.Sources {
		source.Reserve[quota.Auto] = source.autoReserve(l.target.Connectors)
	}
	l.narrow()
	if c := s.Connectors; !l.listed && len(c) == 1 {
		l.follows("CONNECTOR_SOURCE", c[0].Source)
		l.follows("CONNECTOR_NAME", c[0].Name)
		l.follows("CONNECTOR_SCOPE", strings.Join(c[0].Scope, ","))
	}
}

// fit completes a connector's scope, and leaves out what its source never looks
// up: the platform would offer a button that can only refuse.
func (l *loader) fit(i int, c *Connector, spec SourceSpec) {
	if c.Scope == nil {
		c.Scope = slices.Clone(spec.Scope)
		return
	}
	var fits, strange []string
	for _, name := range c.Scope {
		if spec.takes(name) {
			fits = append(fits, name)
		} else {
			strange = append(strange, plain(name))
		}
	}
	switch {
	case len(fits) == 0:
		l.connectorProblem(i, "scope", "nothing that "+spec.Name+" looks up; it takes "+strings.Join(spec.types(), ", "))
	case len(strange) > 0:
		l.target.Warnings = append(l.target.Warnings, l.nameIn(i, "scope")+": "+spec.Name+" does not look up "+strings.Join(strange, ", ")+"; left out of what is registered")
		c.Scope = fits
	}
}

// narrow keeps CONNECTOR_MAX_TLP from opening more than the source of that
// connector: for every other it can only be stricter than the source's default.
func (l *loader) narrow() {
	s := l.target.Settings
	for _, spec := range l.o.Sources {
		g, given := l.given[spec.prefix()+"MAX_TLP"]
		if !given || spec.owns(l.rows[l.rank(spec.prefix()+"MAX_TLP")], g) || !l.listed && s.Connectors[0].Source == spec.Name {
			continue
		}
		source, byDefault := s.Sources[spec.Name], cmp.Or(spec.MaxTLP, defaultMaxTLP)
		if slices.Index(tlpLevels(), source.MaxTLP) > slices.Index(tlpLevels(), byDefault) {
			source.MaxTLP = byDefault
			l.follows(spec.prefix()+"MAX_TLP", byDefault)
		}
	}
}

// follows writes down a value that follows from others.
func (l *loader) follows(name, value string) {
	for i, v := range l.target.values {
		if v.Name == name {
			l.target.values[i].Value = value
		}
	}
}

// bindSource finds the source of a connector. It is silent about what has a
// problem of its own.
func (l *loader) bindSource(i int, c *Connector) {
	s := l.target.Settings
	var on []string
	for _, source := range s.Enabled() {
		on = append(on, source.Spec.Name)
	}
	named := s.Sources[c.Source]
	switch {
	case named != nil && !named.Enabled && l.o.Need == NeedRun:
		text := named.Spec.Name + " is switched off"
		if named.enabled == nil && len(named.Spec.Secrets) > 0 {
			text = named.Spec.Name + " has no key; write " + named.Spec.env(named.Spec.Secrets[0].Env, named.Spec.Secrets[0].Name)
		}
		l.connectorProblem(i, "source", text)
	case named != nil || l.nameTouched(i, "source"):
	case len(on) == 1:
		c.Source = on[0]
	case len(on) > 1 && l.o.Need == NeedRun:
		text := "several sources are set (" + strings.Join(on, ", ") + "); name this connector's"
		if !l.listed {
			text += ", or list several under connectors: in config.yml"
		}
		l.connectorProblem(i, "source", text)
	}
}

// nameIn is what an operator calls a setting of connector i.
func (l *loader) nameIn(i int, key string) string {
	if l.listed {
		return fmt.Sprintf("%s[%d].%s", keyConnectors, i, key)
	}
	return "CONNECTOR_" + strings.ToUpper(key)
}

// nameTouched says whether somebody wrote a setting of connector i.
func (l *loader) nameTouched(i int, key string) bool {
	name := l.nameIn(i, key)
	entry, _, _ := strings.Cut(name, ".")
	return l.touched(name) || slices.ContainsFunc(l.problems, func(p Problem) bool { return p.Name == name || p.Name == entry })
}

// connectorProblem reports a problem of connector i.
func (l *loader) connectorProblem(i int, key, text string) {
	name := l.nameIn(i, key)
	if !l.listed {
		rank := l.rank(name)
		g, given := l.given[name]
		if !given {
			g.name = name
		}
		l.fail(rank, l.rows[rank], g, errors.New(text))
		return
	}
	l.listProblem(name, l.lineOf(i, key), "", text)
}

// lineOf is where connector i, or one of its keys, stands in config.yml.
func (l *loader) lineOf(i int, key string) int {
	e, _ := l.doc.find(keyConnectors)
	list := deref(e.value)
	if i >= len(list.Content) {
		return e.line
	}
	entry := deref(list.Content[i])
	for k := 0; k+1 < len(entry.Content); k += 2 {
		if entry.Content[k].Value == key {
			return entry.Content[k].Line
		}
	}
	return entry.Line
}

// keysOf are the keys of rows in order.
func keysOf(rows map[string]row) []string { return slices.Sorted(maps.Keys(rows)) }
