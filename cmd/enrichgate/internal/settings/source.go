package settings

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/enrichgate/enrichgate/quota"
)

// Source is what is set for one source.
type Source struct {
	// Spec is what it was made from.
	Spec SourceSpec
	// Enabled says that it is to be used: its keys are given, or a source
	// without keys is switched on or named by a connector.
	Enabled bool
	// BaseURL is the provider's address and ends in a slash.
	BaseURL string
	// Secrets are the keys by their name in config.yml.
	Secrets map[string]Secret
	// Params are the source's own settings by their name in config.yml, each in
	// its canonical form; what has neither value nor default is missing.
	Params map[string]string
	// MaxTLP is the highest marking that may be looked up, such as "TLP:AMBER+STRICT".
	MaxTLP string
	// UnmarkedTLP is what an entity without a marking counts as.
	UnmarkedTLP string
	// Limits of the key; none means that there is no limit.
	Limits []quota.Limit
	// Reserve is the share of each window, in percent, that a trigger leaves to
	// the others.
	Reserve map[quota.Trigger]int
	// Margin is the share of each window, in percent, that nobody may use.
	Margin int
	// InitialUsed are units that were used elsewhere before the ledger began.
	InitialUsed map[quota.Period]int64
	// ClientBudgets and PlaybookBudgets are limits of their own, by the client's
	// name and the playbook's id.
	ClientBudgets, PlaybookBudgets map[string][]quota.Limit
	// UnitPrice of a unit as a decimal number, in Currency; empty when unknown.
	UnitPrice, Currency string
	// OnExhausted is what is done when a quota refuses for long: "stale", "skip",
	// "wait" or "defer".
	OnExhausted string
	// MaxWait bounds the wait under "wait".
	MaxWait time.Duration
	// CacheTTL is how long an answer stays fresh; 0 means each endpoint's own.
	CacheTTL time.Duration
	// CacheNegativeTTL is the same for "no record"; 0 means each endpoint's own.
	CacheNegativeTTL time.Duration
	// CacheStale is how long an expired answer may still be served when the quota
	// or the provider refuses; 0 means never.
	CacheStale time.Duration
	// Timeout bounds one call to the provider.
	Timeout time.Duration
	// SkipPrivate answers private and reserved addresses without a call.
	SkipPrivate bool
	// Endpoints are the source's calls by name.
	Endpoints map[string]*Endpoint

	enabled *bool    // what <PREFIX>ENABLED says
	auto    *bool    // what <PREFIX>QUOTA_AUTO says
	only    []string // what <PREFIX>ENDPOINTS says
	reset   reset
}

// Endpoint is what is set for one kind of call.
type Endpoint struct {
	// Off says that it is not made.
	Off bool
	// Units is its price.
	Units int
	// TTL is how long an answer stays fresh; 0 means the source's CacheTTL.
	TTL time.Duration
}

// Duration is a parameter of KindDuration, 0 when it is not set.
func (s *Source) Duration(param string) time.Duration {
	d, err := ParseDuration(s.Params[param])
	if err != nil {
		return 0 // not set: what is set was parsed before
	}
	return d
}

// Account is what the ledger lets the source spend.
func (s *Source) Account() quota.Account {
	a := quota.Account{
		Limits: s.Limits, Floors: map[quota.Trigger]float64{}, Margin: float64(s.Margin) / 100, Initial: s.InitialUsed,
		Clients: s.ClientBudgets, Playbooks: s.PlaybookBudgets,
	}
	for trigger, percent := range s.Reserve {
		a.Floors[trigger] = float64(percent) / 100
	}
	return a
}

// autoReserve is what automatic enrichment leaves to others: who switches it on
// wants it to spend, and it may do so as a playbook may.
func (s *Source) autoReserve(connectors []Connector) int {
	spends := slices.ContainsFunc(connectors, func(c Connector) bool { return c.Source == s.Spec.Name && c.Auto })
	if s.auto != nil {
		spends = *s.auto
	}
	if !spends {
		return 100
	}
	return s.Reserve[quota.Playbook]
}

// QuotaText is the limits as an operator writes them, or "none".
func (s *Source) QuotaText() string {
	if len(s.Limits) == 0 {
		return quota.None
	}
	var parts []string
	for _, l := range s.Limits {
		parts = append(parts, l.String())
	}
	return strings.Join(parts, ",")
}

// newSources makes room for what will be read.
func newSources(specs []SourceSpec) map[string]*Source {
	all := make(map[string]*Source, len(specs))
	for _, spec := range specs {
		s := &Source{
			Spec: spec, Secrets: map[string]Secret{}, Params: map[string]string{},
			Reserve: map[quota.Trigger]int{}, Endpoints: map[string]*Endpoint{},
		}
		for _, e := range spec.Endpoints {
			s.Endpoints[e.Name] = &Endpoint{}
		}
		all[spec.Name] = s
	}
	return all
}

// sourceRows are the settings of one source.
func sourceRows(spec SourceSpec) []row {
	rows := sourceKeyRows(spec)
	rows = append(rows, sourcePolicyRows(spec)...)
	rows = append(rows, sourceParamRows(spec)...)
	rows = append(rows, sourceQuotaRows(spec)...)
	rows = append(rows, sourceCacheRows(spec)...)
	rows = append(rows, sourceEndpointRows(spec)...)
	for i := range rows {
		r := &rows[i]
		r.Source, r.Common = spec.Name, r.Title
		r.Title = spec.title(r.Title)
		if !r.Own { // those have their whole name
			r.Name = spec.prefix() + r.Name
		}
		r.YAML = spec.Name + "." + r.YAML
		r.Aliases = spec.aliasesOf(r.Name)
		r.also = append(r.also, r.Aliases...)
	}
	return rows
}

// of is the way from the settings to the source's.
func of[T any](spec SourceSpec, field func(*Source) T) func(*Settings) T {
	return func(s *Settings) T { return field(s.Sources[spec.Name]) }
}

// sourceKeyRows are address and keys.
func sourceKeyRows(spec SourceSpec) []row {
	rows := []row{
		{Setting: Setting{Name: "API_BASE_URL", YAML: "api_base_url", Title: "API base URL", Kind: KindURL, Default: spec.BaseURL, For: NeedLookup,
			Help: "Address of the provider's API."},
			parse: address("/", of(spec, func(s *Source) *string { return &s.BaseURL }))},
	}
	for _, one := range spec.Secrets {
		rows = append(rows, row{Setting: Setting{Name: spec.env(one.Env, one.Name), YAML: one.Name, Title: strings.ReplaceAll(one.Name, "_", " "), Kind: KindSecret, Secret: true,
			DefaultNote: "the source is off", For: NeedLookup, Own: true, Optional: one.Optional,
			Help: one.Help},
			parse: sourceSecret(spec.Name, one.Name)})
	}
	note := "when its key is given"
	if len(spec.Secrets) == 0 {
		note = "when a connector names it, or nothing but it is set"
	}
	return append(rows, row{Setting: Setting{Name: "ENABLED", YAML: "enabled", Title: "enabled", Kind: KindBool, DefaultNote: note, Example: "true", For: NeedData,
		Help: "Whether the source is used; false switches it off and keeps its key."},
		parse: maybe(of(spec, func(s *Source) **bool { return &s.enabled }))})
}

// sourceSecret accepts what can be sent in an HTTP header.
func sourceSecret(source, name string) parser {
	return func(t *target, v string) (string, error) {
		var held Secret
		canonical, err := headerSecret(func(*Settings) *Secret { return &held })(t, v)
		if err == nil {
			t.Sources[source].Secrets[name] = held
		}
		return canonical, err
	}
}

func sourcePolicyRows(spec SourceSpec) []row {
	return []row{
		{Setting: Setting{Name: "MAX_TLP", YAML: "max_tlp", Title: "highest TLP", Kind: KindTLP, Default: cmp.Or(spec.MaxTLP, defaultMaxTLP), For: NeedLookup,
			Help: "Highest marking of an entity that may be looked up; newer releases of the public connectors call it CONNECTOR_MAX_TLP, which is read too."},
			also: []string{"CONNECTOR_MAX_TLP"}, alsoYAML: "connector.max_tlp",
			parse: tlp(of(spec, func(s *Source) *string { return &s.MaxTLP }))},
		{Setting: Setting{Name: "UNMARKED_TLP", YAML: "unmarked_tlp", Title: "TLP of unmarked entities", Kind: KindTLP, Default: "TLP:CLEAR", For: NeedLookup,
			Help: "What an entity without a marking counts as."},
			parse: tlp(of(spec, func(s *Source) *string { return &s.UnmarkedTLP }))},
		{Setting: Setting{Name: "SKIP_PRIVATE", YAML: "skip_private", Title: "skip private addresses", Kind: KindBool, Default: "true", For: NeedLookup,
			Help: "Whether private and reserved addresses are answered without a call."},
			parse: boolean(of(spec, func(s *Source) *bool { return &s.SkipPrivate }))},
		{Setting: Setting{Name: "TIMEOUT", YAML: "timeout", Title: "call timeout", Kind: KindDuration, Default: FormatDuration(cmp.Or(spec.Timeout, 20*time.Second)), For: NeedLookup,
			Help: "How long one call to the provider may take, at most PT5M."},
			parse: duration(time.Millisecond, 5*time.Minute, of(spec, func(s *Source) *time.Duration { return &s.Timeout }))},
	}
}

// sourceParamRows are what only this source has.
func sourceParamRows(spec SourceSpec) []row {
	var rows []row
	for _, p := range spec.Params {
		setting := Setting{Name: spec.env(p.Env, p.Name), YAML: p.Name, Title: p.Title, Kind: p.Kind, Default: p.Default, Values: p.Values,
			For: NeedLookup, Own: true, Help: p.Help}
		if p.Default == "" {
			setting.DefaultNote = "the source's own"
		}
		rows = append(rows, row{Setting: setting, parse: p.parser(spec.Name)})
	}
	return rows
}

func sourceCacheRows(spec SourceSpec) []row {
	return []row{
		{Setting: Setting{Live: true, Name: "CACHE_TTL", YAML: "cache_ttl", Title: "cache TTL", Kind: KindDuration, DefaultNote: "each endpoint's own", Example: "PT24H", For: NeedLookup,
			Help: "How long an answer stays fresh and is not asked for again, whatever the endpoint."},
			parse: duration(1, century, of(spec, func(s *Source) *time.Duration { return &s.CacheTTL }))},
		{Setting: Setting{Live: true, Name: "CACHE_NEGATIVE_TTL", YAML: "cache_negative_ttl", Title: "cache TTL of no record", Kind: KindDuration, DefaultNote: "each endpoint's own, at most CACHE_TTL", Example: "PT6H", For: NeedLookup,
			Help: "How long the answer that nothing is known stays fresh."},
			parse: duration(1, century, of(spec, func(s *Source) *time.Duration { return &s.CacheNegativeTTL }))},
		{Setting: Setting{Live: true, Name: "CACHE_STALE", YAML: "cache_stale", Title: "stale answers", Kind: KindDuration, Default: FormatDuration(cmp.Or(spec.Stale, week)), For: NeedLookup,
			Help: "How long an expired answer may still be served, marked as such, when the quota or the provider refuses; 0 means never."},
			parse: duration(0, century, of(spec, func(s *Source) *time.Duration { return &s.CacheStale }))},
	}
}

// sourceEndpointRows are about single endpoints.
func sourceEndpointRows(spec SourceSpec) []row {
	if len(spec.Endpoints) == 0 {
		return nil
	}
	first := spec.Endpoints[0].Name
	rows := []row{{Setting: Setting{Live: true, Name: "ENDPOINTS", YAML: "endpoints", Title: "endpoints", Kind: KindList, DefaultNote: "all", Example: first, For: NeedLookup,
		Help: "The calls that an enrichment may make; fewer cost fewer units."},
		parse: choice(spec.endpointNames(), of(spec, func(s *Source) *[]string { return &s.only }))}}
	for _, e := range spec.Endpoints {
		key := strings.ToLower(e.suffix())
		rows = append(rows,
			row{Setting: Setting{Live: true, Name: "COST_" + e.suffix(), YAML: "cost_" + key, Title: "cost of " + e.Name, Kind: KindInt, Default: strconv.FormatInt(e.Units, 10), For: NeedLookup, Endpoint: e.Name,
				Help: "Units that a call of the endpoint costs."},
				parse: integer(0, 1_000_000, of(spec, func(s *Source) *int { return &s.Endpoints[e.Name].Units }))},
			row{Setting: Setting{Live: true, Name: "CACHE_TTL_" + e.suffix(), YAML: "cache_ttl_" + key, Title: "cache TTL of " + e.Name, Kind: KindDuration, DefaultNote: "CACHE_TTL, else the endpoint's own", Example: "PT24H", For: NeedLookup, Endpoint: e.Name,
				Help: "How long an answer of the endpoint stays fresh."},
				parse: duration(1, century, of(spec, func(s *Source) *time.Duration { return &s.Endpoints[e.Name].TTL }))})
	}
	return rows
}
