package source

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Settings is what of a source can be set, and what each is when it is not.
type Settings struct {
	// Prefix of the source's environment variables: "ABUSEIPDB".
	Prefix  string
	BaseURL string
	// Scope are the entity types that a connector of it takes, as OpenCTI names them.
	Scope []string
	// Types are all that its lookups take.
	Types []string
	// MaxTLP is the strictest marking that is looked up.
	MaxTLP string
	// Quota is a list of limits as "4/minute,500/day", empty for none.
	Quota string
	// Buckets are the kinds of calls that limits may be of.
	Buckets []string
	Timeout time.Duration
	Stale   time.Duration
	Secrets []Secret
	Params  []Param
	// Aliases are environment variables of the public connector with the one that
	// each stands for here.
	Aliases map[string]string
	// Ignored says, by environment variable, why settings of the public connector
	// mean nothing here.
	Ignored map[string]string
	// Endpoints are its calls with the price of one attempt.
	Endpoints []Endpoint
}

// Endpoint is one call.
type Endpoint struct {
	Name, Title string
	Units       int64
}

// Secret is a setting that nobody may see.
type Secret struct {
	// Name is the key in Config.Secrets, Env its environment variable.
	Name, Env          string
	Title, Description string
	Optional           bool
}

// Param is a setting that changes a request or a mapping.
type Param struct {
	// Name is the key in Config.Params, Env its environment variable.
	Name, Env          string
	Title, Description string
	// Type is "int", "bool", "string" or "duration".
	Type string
	// Default is an int, a bool, a string, or for durations a time.Duration; nil for none.
	Default any
	// Min and Max bound an int; nil for no bound.
	Min, Max *int64
	// OneOf lists what a string may be; empty for anything.
	OneOf    []string
	Optional bool
}

// Settings of the source, secrets and parameters in the order of their names.
func (d *Definition) Settings() Settings {
	b := d.def.Settings
	s := Settings{
		Prefix: b.Env, BaseURL: d.def.HTTP.BaseURL, Scope: slices.Clone(b.Scope), Types: d.types(), MaxTLP: b.MaxTLP, Quota: b.Quota,
		Timeout: d.timeout, Stale: d.stale, Aliases: maps.Clone(b.Aliases), Ignored: maps.Clone(b.Ignored),
	}
	if len(s.Scope) == 0 {
		s.Scope = s.Types
	}
	for _, name := range slices.Sorted(maps.Keys(b.Secrets)) {
		secret := b.Secrets[name]
		s.Secrets = append(s.Secrets, Secret{name, secret.Env, secret.Title, secret.Description, secret.Optional})
	}
	for _, l := range d.lookups {
		if bucket := l.block.Bucket; bucket != "" && !slices.Contains(s.Buckets, bucket) {
			s.Buckets = append(s.Buckets, bucket)
		}
		s.Endpoints = append(s.Endpoints, Endpoint{l.block.ID, cmp.Or(l.block.Title, l.block.ID), l.units})
	}
	for _, name := range slices.Sorted(maps.Keys(b.Params)) {
		s.Params = append(s.Params, b.param(name))
	}
	return s
}

func (b settingsBlock) param(name string) Param {
	p := b.Params[name]
	out := Param{
		Name: name, Env: p.Env, Title: p.Title, Description: p.Description, Type: p.Type,
		Min: p.Min, Max: p.Max, OneOf: p.OneOf, Optional: p.Optional,
	}
	if out.Env == "" {
		out.Env = b.Env + "_" + strings.ToUpper(name)
	}
	if p.Default != nil {
		out.Default, _ = out.Parse(fmt.Sprint(p.Default))
	}
	return out
}

// Parse reads and checks a value of the parameter.
func (p Param) Parse(text string) (any, error) {
	switch p.Type {
	case "int":
		n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%.40q is not a whole number", text)
		}
		if p.Min != nil && n < *p.Min || p.Max != nil && n > *p.Max {
			return nil, fmt.Errorf("%d is out of bounds", n)
		}
		return int(n), nil
	case "bool":
		b, err := strconv.ParseBool(strings.ToLower(strings.TrimSpace(text)))
		if err != nil {
			return nil, fmt.Errorf("%.40q is neither true nor false", text)
		}
		return b, nil
	case "duration":
		return parseDuration(strings.TrimSpace(text))
	}
	if len(p.OneOf) > 0 && !slices.Contains(p.OneOf, text) {
		return nil, fmt.Errorf("%.40q is not one of %s", text, strings.Join(p.OneOf, ", "))
	}
	return text, nil
}

// checkSettings holds the settings against each other.
func (c *compiler) checkSettings() {
	for _, name := range slices.Sorted(maps.Keys(c.def.Settings.Params)) {
		p := c.def.Settings.Params[name]
		if p.Default == nil {
			continue
		}
		if _, err := c.def.Settings.param(name).Parse(fmt.Sprint(p.Default)); err != nil {
			c.fail([]string{"settings", "params", name, "default"}, "%v", err)
		}
	}
	for i, name := range c.def.Settings.Scope {
		if _, known := kindOf(name); !known {
			c.fail([]string{"settings", "scope", strconv.Itoa(i)}, "%s is not a type that can be looked up", name)
		}
	}
}

// checkSecrets lets secrets into what authorizes only, and into the address
// that the provider's own count is asked from.
func (c *compiler) checkSecrets(d *Definition) {
	for i, l := range d.lookups {
		if l.request.asks("secrets") {
			c.fail([]string{"lookups", strconv.Itoa(i), "request"}, "a secret belongs under http.auth, not into a request")
		}
		if l.batch != nil && l.batch.request.asks("secrets") {
			c.fail([]string{"lookups", strconv.Itoa(i), "batch", "request"}, "a secret belongs under http.auth, not into a request")
		}
	}
	for _, p := range d.headers {
		if len(p.text.names("secrets")) > 0 {
			c.fail([]string{"http", "headers", p.name}, "a secret belongs under http.auth")
		}
	}
	c.checkUnused(d)
}

// checkUnused refuses secrets that operators would have to give for nothing.
func (c *compiler) checkUnused(d *Definition) {
	var used []string
	for _, a := range d.auth {
		for _, t := range a.templates() {
			used = append(used, t.names("secrets")...)
		}
	}
	if d.report != nil {
		for _, t := range d.report.templates() {
			used = append(used, t.names("secrets")...)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.def.Settings.Secrets)) {
		if !slices.Contains(used, name) {
			c.fail([]string{"settings", "secrets", name}, "nothing sends the secret %s: write {secrets.%[1]s} under http.auth", name)
		}
	}
}

// types are all that the lookups take, in their order.
func (d *Definition) types() (all []string) {
	for _, l := range d.lookups {
		for _, k := range l.kinds {
			if !slices.Contains(all, k.openCTI) {
				all = append(all, k.openCTI)
			}
		}
	}
	return all
}
