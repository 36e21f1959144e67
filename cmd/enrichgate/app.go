package main

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/enrichgate/enrichgate/cache"
	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/enrich/source/proofpoint"
	"github.com/enrichgate/enrichgate/enrich/source/wire"
	"github.com/enrichgate/enrichgate/quota"
	"github.com/enrichgate/enrichgate/stixconv"
)

// app is what every command that touches the data directory shares: the
// stores, the source and the gateway between them.
type app struct {
	settings settings.Settings
	log      *slog.Logger
	registry *prometheus.Registry

	dir     *dataDir
	ledger  *quota.Ledger
	cache   *cache.Cache
	source  *proofpoint.Source
	gateway *enrich.Gateway
}

// openApp takes the data directory and opens everything in it. trace may be nil.
func openApp(s settings.Settings, log *slog.Logger, command string, trace func(enrich.Step)) (a *app, err error) {
	a = &app{settings: s, log: log, registry: prometheus.NewRegistry()}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	a.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo())
	if a.dir, err = holdDataDir(s.DataDir, command); err != nil {
		return a, err
	}
	account, err := accountOf(s)
	if err != nil {
		return a, err
	}
	if a.ledger, err = quota.Open(a.dir.file(fileLedger), quota.Options{Accounts: map[string]quota.Account{proofpoint.Name: account}}); err != nil {
		return a, fmt.Errorf("ledger: %w", err)
	}
	a.registry.MustRegister(quota.NewCollector(a.ledger))
	if a.cache, err = cache.Open(a.dir.file(fileCache), cache.Options{FlightTimeout: 2 * enrich.DefaultPatience}); err != nil {
		return a, err
	}
	a.registry.MustRegister(cache.NewCollector(a.cache))
	if s.APIKey == "" {
		return a, nil // commands that only look at the stores
	}
	if a.source, err = newSource(s); err != nil {
		return a, err
	}
	policy, err := policyOf(s)
	if err != nil {
		return a, err
	}
	a.gateway = enrich.New(enrich.Config{
		Source: a.source, Cache: a.cache, Ledger: a.ledger, Policy: policy, Log: log, Registerer: a.registry, Trace: trace,
	})
	return a, nil
}

// close closes what openApp opened, in reverse.
func (a *app) close() error {
	var errs []error
	if a.cache != nil {
		errs = append(errs, a.cache.Close()) // ends the flights, which settle in the ledger
	}
	if a.source != nil {
		a.source.Close()
	}
	if a.ledger != nil {
		errs = append(errs, a.ledger.Close())
	}
	if a.dir != nil {
		errs = append(errs, a.dir.release())
	}
	return errors.Join(errs...)
}

// accountOf is what the source may spend.
func accountOf(s settings.Settings) (quota.Account, error) {
	limits, err := quota.ParseLimits(s.Quota)
	if err != nil {
		return quota.Account{}, fmt.Errorf("PROOFPOINT_ET_INTELLIGENCE_QUOTA: %w", err)
	}
	floors := quota.DefaultFloors()
	if s.ConnectorAuto {
		// Who switches automatic enrichment on wants it to spend; it may do so
		// as a playbook may.
		floors[quota.Auto] = floors[quota.Playbook]
	}
	return quota.Account{Limits: limits, Floors: floors}, nil
}

func newSource(s settings.Settings) (*proofpoint.Source, error) {
	stale := s.CacheStale
	if stale == 0 {
		stale = time.Nanosecond // zero would mean the source's own default
	}
	return proofpoint.New(proofpoint.Config{
		BaseURL: s.APIBaseURL, APIKey: wire.Secret(s.APIKey.Reveal()), SeenWithin: s.ImportLastSeenTimeWindow,
		TTL: s.CacheTTL, Stale: stale, Timeout: s.Timeout, SkipPrivate: s.SkipPrivate, UserAgent: "enrichgate/" + version(),
	})
}

func policyOf(s settings.Settings) (enrich.Policy, error) {
	maxTLP, err := stixconv.ParseTLP(s.MaxTLP)
	if err != nil {
		return enrich.Policy{}, fmt.Errorf("PROOFPOINT_ET_INTELLIGENCE_MAX_TLP: %w", err)
	}
	unmarked, err := stixconv.ParseTLP(s.UnmarkedTLP)
	if err != nil {
		return enrich.Policy{}, fmt.Errorf("PROOFPOINT_ET_INTELLIGENCE_UNMARKED_TLP: %w", err)
	}
	return enrich.Policy{MaxTLP: maxTLP, Unmarked: unmarked, Scope: s.ConnectorScope}, nil
}

// checkSetting lets the packages that own a value judge it while all problems
// of the configuration are collected.
func checkSetting(name, value string) error {
	switch name {
	case "PROOFPOINT_ET_INTELLIGENCE_QUOTA":
		_, err := quota.ParseLimits(value)
		return err
	case "PROOFPOINT_ET_INTELLIGENCE_MAX_TLP", "PROOFPOINT_ET_INTELLIGENCE_UNMARKED_TLP":
		_, err := stixconv.ParseTLP(value)
		return err
	}
	return nil
}
