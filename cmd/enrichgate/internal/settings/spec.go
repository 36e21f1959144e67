package settings

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/enrichgate/enrichgate/enrich"
)

// SourceSpec says which settings a source has. The same family of settings is
// made for each, under the source's own prefix and section.
type SourceSpec struct {
	// Name is the source's id, and its section of config.yml.
	Name string
	// Prefix begins the source's environment names; empty means the name in
	// upper case and an underscore.
	Prefix string
	// Title is the source's name in prose.
	Title string
	// BaseURL is where the provider serves its API.
	BaseURL string
	// Secrets are the keys that the source needs; it may need none.
	Secrets []SecretSpec
	// Params are the source's own settings.
	Params []ParamSpec
	// Quota is the default of its limits, as quota.ParseLimits reads them.
	Quota string
	// Buckets are the kinds of calls that the provider counts apart; a limit may
	// be of one of them.
	Buckets []string
	// MaxTLP is the default of the strictest marking that is looked up; empty
	// means "TLP:AMBER+STRICT".
	MaxTLP string
	// Timeout and Stale are the defaults of the longest call and of how long an
	// expired answer may be served; zero means 20 s and 7 days.
	Timeout, Stale time.Duration
	// Scope are the entity types that a connector of it takes by default, as
	// OpenCTI names them.
	Scope []string
	// Types are all that it can look up; empty means Scope.
	Types []string
	// Endpoints are its calls.
	Endpoints []EndpointSpec
	// Family is a shorter prefix under which an unknown name is taken for a
	// slip of the pen; empty means Prefix.
	Family string
	// Open makes the source of what was set for it.
	Open func(*Source) (enrich.Source, error) `json:"-"`
	// Aliases are environment names of the public connector with what each is
	// called here.
	Aliases map[string]string
	// Ignored says, by environment name, why a setting of the public connector
	// means nothing here.
	Ignored map[string]string
	// Ghost is a prefix that the source's public connector documents and does
	// not read; empty when there is none.
	Ghost string
}

// SecretSpec is one key of a source.
type SecretSpec struct {
	// Name is the key in config.yml: "api_key".
	Name string
	// Env is the environment name; empty means the prefix and the name in upper case.
	Env string
	// Optional says that the source works without.
	Optional bool
	// Help is one sentence.
	Help string
}

// ParamSpec is one setting that only this source has.
type ParamSpec struct {
	// Name is the key in config.yml.
	Name string
	// Env is the environment name; empty means the prefix and the name in upper case.
	Env string
	// Title is its name in prose.
	Title string
	// Kind is KindText, KindBool, KindInt, KindDuration, KindList or KindEnum.
	Kind Kind
	// Default is its value when none is given; empty means the source's own.
	Default string
	// Values are those of KindEnum.
	Values []string
	// Least and Most bound an integer, or a duration in nanoseconds; both zero
	// means what is positive.
	Least, Most int64
	// Help is one sentence.
	Help string
}

// EndpointSpec is one kind of call.
type EndpointSpec struct {
	// Name is the source's word for it: "ip.reputation".
	Name string
	// Units is what a call costs.
	Units int64
}

func (s SourceSpec) prefix() string {
	if s.Prefix != "" {
		return s.Prefix
	}
	return strings.ToUpper(s.Name) + "_"
}

// Names are all that the source's settings are called in the environment, and
// its section. Two sources that share one cannot be set apart.
func (s SourceSpec) Names() []string {
	names := []string{s.Name}
	for _, r := range sourceRows(s) {
		for _, name := range append([]string{r.Name}, r.Aliases...) {
			names = append(names, withFile(name, r.Secret, "_FILE")...)
		}
	}
	return names
}

func (s SourceSpec) types() []string {
	if len(s.Types) == 0 {
		return s.Scope
	}
	return s.Types
}

// takes says whether a name in a scope is of something that can be looked up. An
// indicator is, through the observables that its pattern names.
func (s SourceSpec) takes(name string) bool {
	return strings.EqualFold(name, "Indicator") || slices.ContainsFunc(s.types(), func(t string) bool {
		return strings.EqualFold(name, t) || strings.EqualFold(name, "file") && t == "StixFile"
	})
}

// Stray is an alias of no setting of the source, empty when there is none.
func (s SourceSpec) Stray() string {
	rows := sourceRows(s)
	for _, alias := range slices.Sorted(maps.Keys(s.Aliases)) {
		if !slices.ContainsFunc(rows, func(r row) bool { return r.Name == s.Aliases[alias] }) {
			return alias
		}
	}
	return ""
}

// Check says what is wrong with the values that the source has by itself.
func (s SourceSpec) Check() error {
	scratch := Settings{Sources: newSources([]SourceSpec{s})}
	for _, r := range sourceRows(s) {
		if r.Default == "" {
			continue
		}
		if _, err := r.parse(&target{Settings: &scratch}, r.Default); err != nil {
			return fmt.Errorf("the default of %s: %w", r.Name, err)
		}
	}
	return nil
}

// aliasesOf are the other environment names of a setting.
func (s SourceSpec) aliasesOf(name string) (all []string) {
	for _, alias := range slices.Sorted(maps.Keys(s.Aliases)) {
		if s.Aliases[alias] == name {
			all = append(all, alias)
		}
	}
	return all
}

// owns says whether a value was written to the source's own name of a setting,
// not to one that all sources read.
func (s SourceSpec) owns(r row, g given) bool {
	return g.name == r.Name || g.name == r.YAML || slices.Contains(r.Aliases, g.name)
}

func (s SourceSpec) family() string {
	if s.Family != "" {
		return s.Family
	}
	return s.prefix()
}

// KeyEnv is the environment name of one of its keys.
func (s SourceSpec) KeyEnv(key SecretSpec) string { return s.env(key.Env, key.Name) }

// env is the environment name of one of the source's own settings.
func (s SourceSpec) env(own, name string) string {
	return cmp.Or(own, s.prefix()+strings.ToUpper(name))
}

// title is the name of a setting of the source, unique among all.
func (s SourceSpec) title(of string) string { return s.Title + ": " + of }

// suffix is an endpoint as environment names hold it: "IP_REPUTATION".
func (e EndpointSpec) suffix() string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToUpper(e.Name))
}

// endpointNames are the names between commas, for problems.
func (s SourceSpec) endpointNames() []string {
	names := make([]string, len(s.Endpoints))
	for i, e := range s.Endpoints {
		names[i] = e.Name
	}
	return names
}

// defaultMaxTLP holds where a source names none.
const defaultMaxTLP = "TLP:AMBER+STRICT"

const century = 100 * 365 * day

// bounds of a parameter.
func (p ParamSpec) bounds(most int64) (int64, int64) {
	if p.Least == 0 && p.Most == 0 {
		return 1, most
	}
	return p.Least, p.Most
}

// parser is how a parameter's value is read into the source.
func (p ParamSpec) parser(name string) parser {
	keep := func(read parser) parser {
		return func(t *target, v string) (string, error) {
			canonical, err := read(t, v)
			if err == nil {
				t.Sources[name].Params[p.Name] = canonical
			}
			return canonical, err
		}
	}
	switch p.Kind {
	case KindBool:
		return keep(boolean(func(*Settings) *bool { return new(bool) }))
	case KindInt:
		least, most := p.bounds(1 << 31)
		return keep(integer(int(least), int(most), func(*Settings) *int { return new(int) }))
	case KindDuration:
		least, most := p.bounds(int64(century))
		return keep(duration(time.Duration(least), time.Duration(most), func(*Settings) *time.Duration { return new(time.Duration) }))
	case KindEnum:
		return keep(oneOf(func(*Settings) *string { return new(string) }, p.Values...))
	case KindList:
		return keep(list(func(*Settings) *[]string { return new([]string) }))
	default:
		return keep(text(func(*Settings) *string { return new(string) }))
	}
}
