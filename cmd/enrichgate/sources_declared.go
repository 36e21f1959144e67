package main

import (
	"fmt"
	"time"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/enrich/source"
	"github.com/enrichgate/enrichgate/enrich/source/wire"
)

// declaredSpec says what can be set for a declared source.
func declaredSpec(d *source.Definition) settings.SourceSpec {
	s := d.Settings()
	spec := settings.SourceSpec{
		Name: d.Name(), Prefix: s.Prefix + "_", Title: d.Title(), BaseURL: s.BaseURL, Quota: s.Quota, Buckets: s.Buckets, Scope: s.Scope, Types: s.Types,
		MaxTLP: s.MaxTLP, Timeout: s.Timeout, Stale: s.Stale, Aliases: s.Aliases, Ignored: s.Ignored,
		Open: func(set *settings.Source) (enrich.Source, error) { return openDeclared(d, set) },
	}
	for _, one := range s.Secrets {
		spec.Secrets = append(spec.Secrets, settings.SecretSpec{Name: one.Name, Env: one.Env, Optional: one.Optional, Help: sentence(one.Title, one.Description)})
	}
	for _, p := range s.Params {
		spec.Params = append(spec.Params, declaredParam(p))
	}
	for _, e := range s.Endpoints {
		spec.Endpoints = append(spec.Endpoints, settings.EndpointSpec{Name: e.Name, Units: e.Units})
	}
	return spec
}

// declaredParam is a parameter as a setting.
func declaredParam(p source.Param) settings.ParamSpec {
	spec := settings.ParamSpec{Name: p.Name, Env: p.Env, Title: p.Title, Values: p.OneOf, Help: sentence(p.Title, p.Description)}
	switch p.Type {
	case "int":
		spec.Kind, spec.Least, spec.Most = settings.KindInt, 0, 1<<31
		if p.Min != nil {
			spec.Least = *p.Min
		}
		if p.Max != nil {
			spec.Most = *p.Max
		}
	case "bool":
		spec.Kind = settings.KindBool
	case "duration":
		spec.Kind = settings.KindDuration
	default:
		spec.Kind = settings.KindText
		if len(p.OneOf) > 0 {
			spec.Kind = settings.KindEnum
		}
	}
	switch v := p.Default.(type) {
	case nil:
	case time.Duration:
		spec.Default = settings.FormatDuration(v)
	default:
		spec.Default = fmt.Sprint(v)
	}
	return spec
}

// sentence is what a setting means.
func sentence(title, description string) string {
	if description == "" {
		description = title
	}
	if n := len(description); n > 0 && description[n-1] != '.' && description[n-1] != ')' {
		description += "."
	}
	return description
}

// openDeclared joins a definition with what was set.
func openDeclared(d *source.Definition, s *settings.Source) (enrich.Source, error) {
	c := source.Config{
		BaseURL: s.BaseURL, Timeout: s.Timeout, SkipPrivate: s.SkipPrivate, UserAgent: "enrichgate/" + version(),
		Secrets: map[string]wire.Secret{}, Params: map[string]any{},
	}
	for name, secret := range s.Secrets {
		c.Secrets[name] = wire.Secret(secret.Reveal())
	}
	for _, p := range d.Settings().Params {
		text, given := s.Params[p.Name]
		if !given {
			continue
		}
		if p.Type == "duration" {
			c.Params[p.Name] = s.Duration(p.Name)
			continue
		}
		v, err := p.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.Env, err)
		}
		c.Params[p.Name] = v
	}
	return d.Open(c)
}
