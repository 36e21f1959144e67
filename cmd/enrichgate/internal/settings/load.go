package settings

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Options says where settings come from and what they are for.
type Options struct {
	// Environ is the environment as os.Environ gives it; nil means none.
	Environ []string
	// ConfigPath is the file that the command line names; it must exist. Empty
	// means the usual places.
	ConfigPath string
	// Dir is what relative paths start from; empty means the working directory.
	Dir string
	// Need says what is required. The zero value requires everything.
	Need Need
	// Sources are those that there are.
	Sources []SourceSpec

	systemConfig string // instead of /etc/enrichgate/config.yml, for tests
}

// given is a value that somebody wrote.
type given struct {
	name   string // what they wrote it to
	where  string // file:line; empty for the environment
	origin string // for Values
	text   string
	hides  string // what an empty variable hides
}

// loader collects settings and problems.
type loader struct {
	o        Options
	rows     []row
	env      map[string]string
	doc      *document
	target   target
	problems []Problem
	given    map[string]given    // what was given, by the setting's name
	bad      map[string]bool     // settings with a problem
	listed   bool                // the connectors come from a list
	notes    map[string][]string // of sources, by name: of use only when they are enabled
}

// Load reads, checks and completes the settings. Its error is a *Problems that
// lists everything that is wrong; the Settings then hold what could be read,
// which is enough for a log line and for nothing else.
//
// What o.Need does not need may be missing, unreadable or still "ChangeMe"; a
// value that makes no sense is a problem for every command.
func Load(o Options) (Settings, error) {
	var s Settings
	l := &loader{
		o: o, rows: table(o.Sources), env: environment(o.Environ),
		given: map[string]given{}, bad: map[string]bool{}, notes: map[string][]string{},
		target: target{Settings: &s, dir: o.Dir},
	}
	s.Sources = newSources(o.Sources)
	named := o.ConfigPath
	if named == "" {
		named = l.env["ENRICHGATE_CONFIG"]
	}
	l.doc = openConfig(o, named, func(p Problem) { l.problems = append(l.problems, p) })
	s.ConfigFile = l.doc.path
	_, l.listed = l.doc.find(keyConnectors)
	for i, r := range l.rows {
		l.setting(i, r)
	}
	l.connectors()
	l.sources()
	l.bind()
	l.check()
	l.unknownKeys()
	l.unknownVariables()
	l.dropUnused()
	if len(l.problems) == 0 {
		l.warn()
		return s, nil
	}
	read := "environment"
	if s.ConfigFile != "" {
		read = plain(s.ConfigFile) + " + environment"
	}
	return s, &Problems{Sources: read, List: sortProblems(l.problems)}
}

// SourcesDir is the folder of the operator's own sources, empty when there is
// none. It is asked before Load, which must be told of the sources in it.
func SourcesDir(o Options) string {
	env := environment(o.Environ)
	dir, set := env["ENRICHGATE_SOURCES_DIR"]
	if !set {
		doc := openConfig(o, cmp.Or(o.ConfigPath, env["ENRICHGATE_CONFIG"]), func(Problem) {}) // Load reports them
		if e, ok := doc.find("enrichgate.sources_dir"); ok {
			dir, _ = scalarText(e.value, false)
		}
	}
	if dir = strings.TrimSpace(dir); dir == "" {
		return ""
	}
	return within(o.Dir, dir)
}

// dropUnused leaves out what nobody wrote of sources that are not enabled.
func (l *loader) dropUnused() {
	s := l.target.Settings
	i := 0 // values and rows have one order, and every value has its row
	s.values = slices.DeleteFunc(s.values, func(v Value) bool {
		for v.Name != "" && l.rows[i].Name != v.Name {
			i++
		}
		source, of := s.Sources[l.rows[i].Source]
		_, given := l.given[v.Name]
		return v.Name != "" && of && !source.Enabled && !given
	})
	for _, source := range s.Enabled() {
		s.Notices = append(s.Notices, l.notes[source.Spec.Name]...)
	}
}

// notice notes something about a setting.
func (l *loader) notice(r row, text string) {
	if r.Source != "" {
		l.notes[r.Source] = append(l.notes[r.Source], text)
		return
	}
	l.target.Notices = append(l.target.Notices, text)
}

// environment is a map of NAME=value lines; the last of a name counts.
func environment(lines []string) map[string]string {
	env := make(map[string]string, len(lines))
	for _, line := range lines {
		if name, value, ok := strings.Cut(line, "="); ok {
			env[name] = value
		}
	}
	return env
}

// setting reads one row.
func (l *loader) setting(rank int, r row) {
	needed := l.o.Need <= r.For
	l.target.files = needed
	g, err := l.look(rank, r)
	var fileErr *secretFileError
	switch {
	case errors.As(err, &fileErr) && !needed:
		l.target.Notices = append(l.target.Notices, g.name+": "+err.Error()) // whatever the source: it was meant to be used
		g = given{}
	case err != nil:
		l.fail(rank, r, g, err)
		return
	}
	if strings.EqualFold(strings.TrimSpace(g.text), "ChangeMe") {
		if needed {
			l.fail(rank, r, g, errors.New("still the placeholder of the sample; write your own value"))
			return
		}
		g = given{}
	}
	if g.text == "" {
		l.missing(rank, r, g, needed)
		return
	}
	l.accept(rank, r, g)
}

// missing takes the default, or reports that there is none.
func (l *loader) missing(rank int, r row, g given, needed bool) {
	if r.Default == "" {
		if r.Required && needed && !l.doc.broken && !(l.listed && r.each) {
			l.problems = append(l.problems, Problem{Name: r.Name, Text: requiredText(r, g), rank: rank})
			l.bad[r.Name] = true
		}
		l.target.values = append(l.target.values, r.value("", "default"))
		return
	}
	canonical, err := r.parse(&l.target, r.Default)
	if err != nil {
		panic(fmt.Sprintf("settings: the default of %s: %v", r.Name, err))
	}
	l.target.values = append(l.target.values, r.value(canonical, "default"))
}

// requiredText says where a missing value may be written.
func requiredText(r row, g given) string {
	if g.hides != "" {
		return "required; it is set to nothing here, which hides " + g.hides
	}
	where := r.YAML + " in config.yml"
	if r.Secret {
		where = r.Name + "_FILE, or " + where
	}
	return "required (or " + where + ")"
}

// accept parses a value that was given.
func (l *loader) accept(rank int, r row, g given) {
	l.given[r.Name] = g
	canonical, err := l.parse(r, g.text, &l.target)
	if err != nil {
		l.fail(rank, r, g, err)
		return
	}
	v := r.value(canonical, g.origin)
	if r.Secret {
		v.Value, v.sum = redacted, sha256.Sum256([]byte(canonical))
	}
	l.target.values = append(l.target.values, v)
}

// value is the row's value as it is told.
func (r row) value(text, origin string) Value {
	return Value{Name: r.Name, YAML: r.YAML, Value: text, Origin: origin, live: r.Live, source: r.Source}
}

// parse applies the row's parser; white space alone is no value for any.
func (l *loader) parse(r row, text string, t *target) (string, error) {
	if strings.TrimSpace(text) == "" {
		return "", errors.New("blank")
	}
	return r.parse(t, text)
}

// fail adds a problem with what somebody wrote.
func (l *loader) fail(rank int, r row, g given, err error) {
	p := Problem{Name: g.name, Where: g.where, Text: oneLine(err.Error()), rank: rank}
	var hide unshown
	if !r.Secret && g.text != "" && !errors.As(err, &hide) {
		p.Value = shown(g.text)
	}
	l.problems = append(l.problems, p)
	l.bad[r.Name] = true
}

// oneLine is a foreign text without line breaks.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// secretFileError says that the file of a secret could not be used.
type secretFileError struct{ error }

// look finds what was given for a row: the environment first, then the file.
func (l *loader) look(rank int, r row) (given, error) {
	g, found, err := l.lookEnv(rank, r)
	if found || err != nil {
		if y, hidden, _ := l.lookFile(r); hidden && g.text == "" {
			g.hides = y.name + " (" + y.where + ")"
		}
		return g, err
	}
	g, found, err = l.lookFile(r)
	if r.alsoYAML == "" || err != nil {
		return g, err
	}
	other := r
	other.YAML = r.alsoYAML
	o, also, err := l.lookFile(other)
	if also && found {
		l.same(rank, r, g, o)
	} else if also {
		l.notice(r, o.name+" is read as "+r.YAML)
		return o, err
	}
	return g, nil
}

// lookEnv looks at NAME, NAME_FILE and the other names. found is also true for a
// variable that is set to nothing.
func (l *loader) lookEnv(rank int, r row) (g given, found bool, err error) {
	g, found, err = l.variable(r, r.Name)
	for _, also := range r.also {
		o, _, oerr := l.variable(r, also)
		switch {
		case o.text == "" && oerr == nil:
		case g.text == "" && err == nil:
			l.notice(r, also+" is read as "+r.Name)
			g, found, err = o, true, oerr
		case oerr == nil:
			l.same(rank, r, g, o)
		}
	}
	return g, found, err
}

// variable looks at one name and, for a secret, at the file that NAME_FILE names.
func (l *loader) variable(r row, name string) (g given, found bool, err error) {
	text, set := l.env[name]
	g = given{name: name, origin: "environment", text: text}
	if name != r.Name {
		g.origin = "environment (" + name + ")"
	}
	path := l.env[name+"_FILE"]
	if !r.Secret || path == "" {
		return g, set, nil
	}
	g.name, g.origin = name+"_FILE", "file "+path+" ("+name+"_FILE)"
	if text != "" {
		return g, true, fmt.Errorf("given together with %s; keep one", name)
	}
	g.text, err = l.secretFile(path)
	return g, true, err
}

// same reports two names of one setting that disagree.
func (l *loader) same(rank int, r row, g, other given) {
	scratch := Settings{Sources: newSources(l.o.Sources)}
	t := target{Settings: &scratch, dir: l.o.Dir}
	a, errA := l.parse(r, g.text, &t)
	b, errB := l.parse(r, other.text, &t)
	if errA == nil && errB == nil && a != b || errB != nil {
		says := "another value"
		if !r.Secret {
			says = shown(g.text)
		}
		l.fail(rank, r, other, fmt.Errorf("another name of %s, which says %s; keep one", g.name, says))
	}
}

// lookFile looks at section.key and section.key_file. found is false for a key
// without a value.
func (l *loader) lookFile(r row) (g given, found bool, err error) {
	if r.YAML == "" {
		return given{}, false, nil
	}
	if e, ok := l.doc.find(r.YAML); ok {
		where := l.doc.where(e.line)
		g = given{name: r.YAML, where: where, origin: where}
		if g.text, err = scalarText(e.value, r.isList()); err != nil {
			return g, true, err
		}
	}
	f, ok := l.doc.find(r.YAML + "_file")
	if !ok || !r.Secret {
		return g, g.text != "", nil
	}
	where := l.doc.where(f.line)
	path, err := scalarText(f.value, false)
	if err == nil && path == "" {
		return g, g.text != "", nil
	}
	both := g.text != ""
	g = given{name: r.YAML + "_file", where: where, origin: "file " + path + " (" + where + ")"}
	if err == nil && both {
		err = fmt.Errorf("given together with %s; keep one", r.YAML)
	}
	if err == nil {
		g.text, err = l.secretFile(path)
	}
	return g, true, err
}

// secretFile reads a secret; the line break at its end is not part of it.
func (l *loader) secretFile(path string) (string, error) {
	name := "the file that it names" // it may be the secret itself, misplaced
	if strings.HasPrefix(path, "/") || strings.HasPrefix(path, "./") {
		name = shown(path)
	}
	b, err := readFile(within(l.o.Dir, path), maxSecretFile)
	if err != nil {
		return "", &secretFileError{fmt.Errorf("cannot read %s: %w", name, err)}
	}
	text := strings.TrimRight(string(b), "\r\n")
	if strings.TrimSpace(text) == "" {
		return "", &secretFileError{fmt.Errorf("%s is empty", name)}
	}
	return text, nil
}
