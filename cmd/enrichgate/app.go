package main

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/enrichgate/enrichgate/cache"
	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/enrich/httpapi"
	"github.com/enrichgate/enrichgate/enrich/httpapi/clients"
	"github.com/enrichgate/enrichgate/quota"
	"github.com/enrichgate/enrichgate/stixconv"
)

// app is what every command that touches the data directory shares: one ledger
// and one cache, and a gateway for each source on them.
type app struct {
	// current are the settings that hold; a reload replaces them.
	current atomic.Pointer[settings.Settings]
	log     *slog.Logger
	// now dates the books: spending, answers, pauses. The demo's runs faster.
	now      func() time.Time
	registry *prometheus.Registry

	dir      *dataDir
	ledger   *quota.Ledger
	cache    *cache.Cache
	sources  []tunedSource
	gateways map[string]*enrich.Gateway // by the name of the source
	clients  *clients.Store
	recent   *httpapi.Recent
	repeats  *httpapi.Repeats // nil until something is served
	requests *httpapi.Metrics
	savings  *savings
	metrics  http.Handler
	// budgets is held while the ledger is told of budgets, so that the last to
	// have read them is the last to tell.
	budgets sync.Mutex
	reload  *reloader
}

// settings are those that hold now.
func (a *app) settings() *settings.Settings { return a.current.Load() }

// openApp takes the data directory and opens everything in it. trace may be nil.
func openApp(s settings.Settings, log *slog.Logger, command string, trace func(enrich.Step)) (*app, error) {
	return openAppAt(s, log, command, trace, time.Now)
}

// openAppAt is openApp by another clock.
func openAppAt(s settings.Settings, log *slog.Logger, command string, trace func(enrich.Step), now func() time.Time) (a *app, err error) {
	a = &app{
		log: log, now: now, registry: prometheus.NewRegistry(), gateways: map[string]*enrich.Gateway{},
		recent: httpapi.NewRecent(),
	}
	a.current.Store(&s)
	a.metrics = promhttp.InstrumentMetricHandler(a.registry, promhttp.HandlerFor(a.registry, promhttp.HandlerOpts{Registry: a.registry}))
	a.reload = newReloader(a)
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	a.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo(), sourceInfo{a.settings}, unitPrices(s), persistence(s.DataDir))
	a.requests = httpapi.NewMetrics(a.registry)
	if a.dir, err = holdDataDir(s.DataDir, command); err != nil {
		return a, err
	}
	a.savings = openSavings(a.dir.file(fileSavings), a.now, log)
	if a.clients, err = clients.Open(cmp.Or(s.ClientsFile, a.dir.file(fileClients)), time.Now); err != nil {
		return a, err
	}
	if a.ledger, err = quota.Open(a.dir.file(fileLedger), quota.Options{
		Accounts: a.accountsOf(&s), Retention: s.LedgerRetention, Values: quota.Values(s.AuditValues), Now: a.now,
	}); err != nil {
		return a, fmt.Errorf("ledger: %w", err)
	}
	a.registry.MustRegister(quota.NewCollector(a.ledger))
	if a.cache, err = cache.Open(a.dir.file(fileCache), cache.Options{
		FlightTimeout: flightTimeout(s), Memory: s.CacheMemory, MaxDisk: s.CacheMaxSize, Key: []byte(s.CacheKey.Reveal()), Log: log, Now: a.now,
	}); err != nil {
		return a, err
	}
	a.registry.MustRegister(cache.NewCollector(a.cache))
	for _, source := range s.Enabled() {
		if err := a.openSource(source, trace); err != nil {
			return a, err
		}
	}
	return a, nil
}

// openSource makes a source and its gateway. Without its keys, which only
// commands that look at the stores may lack, there is none.
func (a *app) openSource(s *settings.Source, trace func(enrich.Step)) error {
	for _, one := range s.Spec.Secrets {
		if !one.Optional && s.Secrets[one.Name] == "" {
			return nil
		}
	}
	opened, err := s.Spec.Open(s)
	if err != nil {
		return fmt.Errorf("%s: %w", s.Spec.Name, err)
	}
	policy, err := policyOf(s)
	source := tunedSource{Source: opened, policy: policy, settings: func() *settings.Source { return a.settings().Sources[s.Spec.Name] }}
	a.sources = append(a.sources, source) // to be closed, whatever follows
	if err != nil {
		return err
	}
	exhaustion, err := enrich.ParseExhaustion(s.OnExhausted)
	if err != nil {
		return fmt.Errorf("%s: %w", s.Spec.Name, err)
	}
	gateway := enrich.New(enrich.Config{
		Source: source, Cache: a.cache, Ledger: a.ledger, Policy: policy, Log: a.log, Registerer: a.registry, Trace: trace,
		Exhaustion: exhaustion, MaxWait: s.MaxWait, Observe: a.observe, Now: a.now,
	})
	gateway.SetClients(a.clientsOf(s.Spec.Name))
	a.gateways[s.Spec.Name] = gateway
	return nil
}

// flightTimeout lets a call outlast the longest wait for its quota.
func flightTimeout(s settings.Settings) time.Duration {
	longest := enrich.DefaultPatience
	for _, source := range s.Enabled() {
		longest = max(longest, source.MaxWait)
	}
	return longest + enrich.DefaultPatience
}

// close closes what openApp opened, in reverse.
func (a *app) close() error {
	var errs []error
	for _, g := range a.gateways {
		g.Stop()
	}
	if a.cache != nil {
		errs = append(errs, a.cache.Close()) // ends the flights, which settle in the ledger
	}
	for _, source := range a.sources {
		source.Close()
	}
	if a.ledger != nil {
		errs = append(errs, a.ledger.Close())
	}
	if a.repeats != nil {
		errs = append(errs, a.repeats.Close())
	}
	if a.clients != nil {
		errs = append(errs, a.clients.Close())
	}
	if a.savings != nil {
		errs = append(errs, a.savings.close())
		a.savings = nil
	}
	if a.dir != nil {
		errs = append(errs, a.dir.release())
	}
	return errors.Join(errs...)
}

// observe tells the API and the page of an enrichment.
func (a *app) observe(d enrich.Decided) {
	a.recent.Observe(d)
	a.savings.add(d.Source, d.Result.Parts)
}

// accountsOf is what the sources may spend. A command that was given no key still
// wants to see the books: then every source has its account.
func (a *app) accountsOf(s *settings.Settings) map[string]quota.Account {
	enabled := s.Enabled()
	all := map[string]quota.Account{}
	for name, source := range s.Sources {
		if !source.Enabled && len(enabled) > 0 {
			continue
		}
		account := source.Account()
		account.Clients = a.clientBudgets(source)
		all[name] = account
	}
	return all
}

// clientBudgets are those of config.yml, and those that were given to clients,
// which win.
func (a *app) clientBudgets(s *settings.Source) map[string][]quota.Limit {
	budgets := maps.Clone(s.ClientBudgets)
	if budgets == nil {
		budgets = map[string][]quota.Limit{}
	}
	maps.Copy(budgets, a.clients.Budgets(s.Spec.Name))
	return budgets
}

// clientsOf are the names of those who may ask a source.
func (a *app) clientsOf(source string) (names []string) {
	for _, c := range a.clients.List() {
		if c.May(source) {
			names = append(names, c.Name)
		}
	}
	return names
}

// clientsChanged gives the ledger the clients' budgets as they are now.
func (a *app) clientsChanged() {
	a.budgets.Lock()
	defer a.budgets.Unlock()
	a.tellBudgets()
}

func (a *app) tellBudgets() {
	for _, s := range a.sources {
		a.gateways[s.Name()].SetClients(a.clientsOf(s.Name()))
		if err := a.ledger.SetClients(s.Name(), a.clientBudgets(s.settings())); err != nil {
			a.log.Error("the ledger could not be told of the clients' budgets; they hold from the next start", "source", s.Name(), "error", err)
		}
	}
}

// policyOf is what may be asked of a source, whoever asks.
func policyOf(s *settings.Source) (enrich.Policy, error) {
	maxTLP, err := stixconv.ParseTLP(s.MaxTLP)
	if err != nil {
		return enrich.Policy{}, fmt.Errorf("highest TLP of %s: %w", s.Spec.Name, err)
	}
	unmarked, err := stixconv.ParseTLP(s.UnmarkedTLP)
	if err != nil {
		return enrich.Policy{}, fmt.Errorf("TLP of unmarked entities of %s: %w", s.Spec.Name, err)
	}
	return enrich.Policy{MaxTLP: maxTLP, Unmarked: unmarked, Scope: s.Spec.Scope}, nil
}

// connectorPolicy narrows it to what one connector may ask.
func connectorPolicy(s *settings.Source, c settings.Connector) (enrich.Policy, error) {
	p, err := policyOf(s)
	if err != nil {
		return p, err
	}
	p.Scope = c.Scope
	if c.MaxTLP != "" {
		own, err := stixconv.ParseTLP(c.MaxTLP)
		if err != nil {
			return p, fmt.Errorf("highest TLP of connector %s: %w", c.Name, err)
		}
		p.MaxTLP = min(p.MaxTLP, own)
	}
	return p, nil
}
