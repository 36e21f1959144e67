package settings

import (
	"maps"
	"slices"
	"strings"
)

// unknownKeys goes through the file. In the sections of OpenCTI an unknown key
// belongs to another release and is noted; in ours it is a slip.
func (l *loader) unknownKeys() {
	known := map[string]bool{}
	for _, r := range l.rows {
		known[r.YAML] = true
		known[r.alsoYAML] = true
		if r.Secret {
			known[r.YAML+"_file"], known[r.alsoYAML+"_file"] = true, true
		}
	}
	for _, spec := range l.o.Sources {
		known[spec.Name+"."+keyLimits], known[spec.Name+"."+keyBudgets] = true, true
	}
	for _, e := range l.doc.keys {
		switch path := e.path(); {
		case e.section == "":
			l.unknownSection(e)
		case known[path]:
		case e.section == "enrichgate" || l.target.Sources[e.section] != nil:
			l.unknown(Problem{Name: plain(path), Where: l.doc.where(e.line)},
				closest(path, e.section+".", l.yamlNames(e.section)))
		case e.section == "connector" || e.section == "opencti" || e.section == "mq" || e.section == "s3":
			l.ignored(plain(path)+" ("+l.doc.where(e.line)+")", strings.ToUpper(e.section+"_"+e.key))
		}
	}
}

// unknownSection judges a top-level key.
func (l *loader) unknownSection(e entry) {
	if e.key == keyConnectors || slices.Contains(l.doc.sections, e.key) {
		return
	}
	p := Problem{Name: plain(e.key), Where: l.doc.where(e.line)}
	for _, r := range l.rows {
		if strings.EqualFold(e.key, r.Name) && r.YAML != "" {
			l.unknown(p, r.YAML)
			return
		}
	}
	if best := closest(e.key, "", append(l.doc.sections, keyConnectors)); best != "" {
		l.unknown(p, best)
		return
	}
	l.target.Notices = append(l.target.Notices, p.Name+" ("+p.Where+"): section not read")
}

// unknownVariables goes through the environment.
func (l *loader) unknownVariables() {
	known := map[string]bool{"": true}
	for _, r := range l.rows {
		for _, name := range append([]string{r.Name}, r.also...) {
			known[name] = true
			if r.Secret {
				known[name+"_FILE"] = true
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(l.env)) {
		upper := strings.ToUpper(name)
		family, spec := l.familyOf(upper)
		ours := family != ""
		switch {
		case l.ignoredBy(upper):
		case known[name]:
		case ours && isKubernetesLink(name, l.env[name]):
			l.target.Notices = append(l.target.Notices, name+": written by Kubernetes for a service, ignored")
		case ours:
			l.unknownVariable(name, upper, family, spec)
		default:
			l.ignored(name, name)
		}
	}
}

// familyOf is the longest of our prefixes that a name begins with, and the
// source that it is of, if any.
func (l *loader) familyOf(name string) (family string, spec SourceSpec) {
	const own = "ENRICHGATE_"
	if strings.HasPrefix(name, own) {
		return own, spec
	}
	for _, s := range l.o.Sources {
		for _, f := range []string{s.family(), s.Ghost, s.prefix()} {
			if strings.HasPrefix(name, f) && len(f) > len(family) {
				family, spec = f, s
			}
		}
	}
	return family, spec
}

// ignoredBy warns of a name of a public connector that means nothing here. A
// name that another source reads is worth it only where this one is used, and
// not the other.
func (l *loader) ignoredBy(name string) bool {
	used := func(source string) bool { s := l.target.Sources[source]; return s != nil && s.Enabled }
	for _, spec := range l.o.Sources {
		why, rank := spec.Ignored[name], l.rank(name)
		if why == "" || rank >= 0 && (!used(spec.Name) || used(l.rows[rank].Source)) {
			continue
		}
		l.target.Warnings = append(l.target.Warnings, name+" has no effect here: "+why)
		return true
	}
	return false
}

// unknownVariable reports a name under one of our prefixes.
func (l *loader) unknownVariable(name, upper, family string, spec SourceSpec) {
	p := Problem{Name: plain(name)}
	prefix := family
	if spec.Name != "" {
		prefix = spec.prefix()
	}
	names := l.envNames(prefix)
	if rest, ok := strings.CutPrefix(upper, spec.Ghost); spec.Ghost != "" && family == spec.Ghost && ok && slices.Contains(names, prefix+rest) {
		p.Text = "not read by the public connector either; did you mean " + prefix + rest + "?"
		l.unknown(p, "")
		return
	}
	l.unknown(p, closest(upper, family, names))
}

// unknown adds a problem about a name, with what was probably meant.
func (l *loader) unknown(p Problem, meant string) {
	p.rank = rankUnknown
	if p.Text == "" {
		p.Text = "unknown"
	}
	if meant != "" {
		p.Text += "; did you mean " + meant + "?"
	}
	l.problems = append(l.problems, p)
}

// ignored notes a name that is OpenCTI's but not read here; where an operator
// may count on it, as a warning.
func (l *loader) ignored(shown, name string) {
	what, official := elsewhere(name)
	theirs := slices.ContainsFunc([]string{"OPENCTI_", "CONNECTOR_", "MQ_", "S3_"}, func(p string) bool { return strings.HasPrefix(name, p) })
	switch {
	case what != "":
		l.target.Warnings = append(l.target.Warnings, shown+" has no effect here: "+what)
	case official:
		l.target.Notices = append(l.target.Notices, shown+" is for other types of connectors and has no effect")
	case theirs:
		l.target.Notices = append(l.target.Notices, shown+" is not known here and has no effect")
	}
}

// envNames are the environment names with a prefix, those of secret files included.
func (l *loader) envNames(prefix string) []string {
	var names []string
	for _, r := range l.rows {
		for _, name := range append([]string{r.Name}, r.also...) {
			if strings.HasPrefix(name, prefix) {
				names = append(names, withFile(name, r.Secret, "_FILE")...)
			}
		}
	}
	return names
}

// yamlNames are the paths of a section, those of secret files included.
func (l *loader) yamlNames(section string) []string {
	var names []string
	for _, r := range l.rows {
		for _, path := range []string{r.YAML, r.alsoYAML} {
			if strings.HasPrefix(path, section+".") {
				names = append(names, withFile(path, r.Secret, "_file")...)
			}
		}
	}
	return names
}

// withFile is a name, and for a secret that of its file.
func withFile(name string, secret bool, suffix string) []string {
	if secret {
		return []string{name, name + suffix}
	}
	return []string{name}
}
