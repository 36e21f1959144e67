package source

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/stixconv"
)

// Definition is one source as its file declares it, checked and compiled. It is
// safe for concurrent use.
type Definition struct {
	def     definition
	text    []byte
	timeout time.Duration
	maxBody int64
	auth    []auth
	headers []pair
	lookups []*lookup
	message *program
	from    *program // TTL
	usage   *program
	report  *request // asks for usage, nil when the provider cannot be asked
	free    []enrich.Class
	maxTTL  time.Duration
	stale   time.Duration
	tests   fixtures
	own     bool
	lines   map[string]int // where its names in the environment stand; "" is the prefix
}

// lookup is a compiled lookup block.
type lookup struct {
	block   lookupBlock
	kinds   []kind
	value   *program // nil: the value itself
	request request
	rules   []rule
	mapping *program
	units   int64
	ttl     map[enrich.Class]time.Duration
	vary    []string
	batch   *batch // nil: one value a request
}

// compiler makes a Definition of a decoded file and collects what is wrong.
type compiler struct {
	*document
	def      *definition
	library  library
	problems []Problem
	lines    map[string]int
}

func (c *compiler) fail(path []string, format string, args ...any) {
	c.problems = append(c.problems, c.problem(path, format, args...))
}

// compile makes the whole definition; with problems it is not to be used.
func (c *compiler) compile() *Definition {
	b := c.def
	d := &Definition{def: *b}
	d.timeout = c.duration(b.HTTP.Timeout, 30*time.Second, "http", "timeout")
	d.maxBody = c.size(b.HTTP.MaxBody, 4<<20, "http", "max_body")
	d.maxTTL = c.duration(b.Cache.Max, 0, "cache", "max")
	d.stale = c.duration(b.Cache.Stale, 7*24*time.Hour, "cache", "stale")
	if _, err := baseURL(b.HTTP.BaseURL); err != nil {
		c.fail([]string{"http", "base_url"}, "%v", err)
	}
	if u, err := url.Parse(b.HTTP.BaseURL); err == nil && strings.HasSuffix(u.Hostname(), "example.com") {
		c.fail([]string{"http", "base_url"}, "this is still the address of the skeleton")
	}
	if _, err := stixconv.ParseTLP(b.TLP); err != nil {
		c.fail([]string{"tlp"}, "%v", err)
	}
	c.checkSettings()
	c.checkNames()
	c.checkQuota()
	d.lines = c.lines
	for i, a := range b.HTTP.Auth {
		d.auth = append(d.auth, c.auth(a, "http", "auth", fmt.Sprint(i)))
	}
	d.headers = c.headers(b.HTTP.Headers, "http", "headers")
	d.message = c.program(b.Message, "message")
	d.from = c.program(b.Cache.From, "cache", "from")
	d.usage = c.program(b.Usage.From, "usage", "from")
	if b.Usage.Request != nil {
		r := c.request(*b.Usage.Request, "usage", "request")
		d.report = &r
	}
	for i, name := range b.Free {
		class, known := parseClass(name)
		if !known {
			c.fail([]string{"free", fmt.Sprint(i)}, "%s is not a class", enrich.Shown(name))
		}
		d.free = append(d.free, class)
	}
	common := c.rules(b.Classify, "classify")
	mapping := c.mapping(b.Map, "map")
	for i := range b.Lookups {
		d.lookups = append(d.lookups, c.lookup(&b.Lookups[i], i, common, mapping))
	}
	c.checkSecrets(d)
	return d
}

func (c *compiler) lookup(b *lookupBlock, i int, common []rule, mapping *program) *lookup {
	at := []string{"lookups", fmt.Sprint(i)}
	l := &lookup{block: *b, units: 1, mapping: mapping}
	for j := range i {
		if c.def.Lookups[j].ID == b.ID {
			c.fail(append(at, "id"), "another lookup is called %s, too", b.ID)
		}
	}
	for j, name := range b.Types {
		k, known := kindOf(name)
		if !known {
			c.fail(append(at, "types", fmt.Sprint(j)), "%s is not a type that can be looked up", enrich.Shown(name))
			continue
		}
		if k.normalize == nil && len(b.Hashes) == 0 {
			c.fail(append(at, "types", fmt.Sprint(j)), "a lookup of files must say by which hashes")
		}
		l.kinds = append(l.kinds, k)
	}
	if b.Units != nil {
		l.units = *b.Units
	}
	l.value = c.program(b.Value, append(at, "value")...)
	l.request = c.request(b.Request, append(at, "request")...)
	if l.request.asks("values") {
		c.fail(append(at, "request"), "{values} are those of a batch; the one that is asked about is {value}")
	}
	l.rules = append(c.rules(b.Classify, append(at, "classify")...), common...)
	if b.Map != "" {
		l.mapping = c.mapping(b.Map, append(at, "map")...)
	} else if mapping == nil && c.def.Map == "" {
		c.fail(at, "the lookup has no map, and there is none for all")
	}
	l.batch = c.batch(l, append(slices.Clone(at), "batch"))
	l.ttl = c.ttl(b.TTL, at)
	l.vary = l.request.params()
	return l
}

// ttl unites a lookup's times with those for all, and with those that suit most.
func (c *compiler) ttl(own ttlBlock, at []string) map[enrich.Class]time.Duration {
	day := 24 * time.Hour
	all := c.def.Cache.TTL
	limit := c.duration(c.def.Cache.Max, 0, "cache", "max")
	times := map[enrich.Class]time.Duration{}
	for _, t := range []struct {
		class     enrich.Class
		name      string
		own, all  string
		otherwise time.Duration
	}{
		{enrich.Found, "found", own.Found, all.Found, day},
		{enrich.Partial, "partial", own.Partial, all.Partial, day},
		{enrich.NotFound, "not_found", own.NotFound, all.NotFound, day},
		{enrich.InvalidInput, "invalid_input", own.InvalidInput, all.InvalidInput, 7 * day},
	} {
		path, text := append(slices.Clone(at), "ttl", t.name), t.own
		if text == "" {
			path, text = []string{"cache", "ttl", t.name}, t.all
		}
		d := c.duration(text, t.otherwise, path...)
		if limit > 0 {
			d = min(d, limit)
		}
		times[t.class] = d
	}
	return times
}

func (c *compiler) rules(blocks []ruleBlock, path ...string) (rules []rule) {
	for i, b := range blocks {
		at := append(slices.Clone(path), fmt.Sprint(i))
		class, known := parseClass(b.Class)
		if !known {
			c.fail(append(at, "class"), "%s is not a class", enrich.Shown(b.Class))
		}
		if len(b.Status) == 0 && b.When == "" {
			c.fail(at, "the rule has neither a status nor a when: it would hold for everything")
		}
		rules = append(rules, rule{statuses: b.Status, when: c.program(b.When, append(at, "when")...), class: class})
	}
	return rules
}

// program compiles a program, nil for none.
func (c *compiler) program(text string, path ...string) *program {
	return c.compiled(compile, text, path)
}

// mapping compiles a program of intents, nil for none.
func (c *compiler) mapping(text string, path ...string) *program {
	return c.compiled(compileMapping, text, path)
}

func (c *compiler) compiled(compile func(string, library) (*program, error), text string, path []string) *program {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	p, err := compile(text, c.library)
	if err != nil {
		var at *programError
		errors.As(err, &at)
		c.problems = append(c.problems, c.inText(path, at.offset, "%s", at.reason))
	}
	return p
}

// template compiles a text with holes, and checks that the holes' names exist.
func (c *compiler) template(text string, path ...string) template {
	t, err := parseTemplate(text)
	if err != nil {
		c.fail(path, "%v", err)
	}
	for _, name := range t.names("params") {
		if _, known := c.def.Settings.Params[name]; !known {
			c.fail(path, "no parameter is called %s", name)
		}
	}
	for _, name := range t.names("secrets") {
		if _, known := c.def.Settings.Secrets[name]; !known {
			c.fail(path, "no secret is called %s", name)
		}
	}
	return t
}

func (c *compiler) duration(text string, otherwise time.Duration, path ...string) time.Duration {
	d, err := parseDuration(text)
	if err != nil {
		c.fail(path, "%v", err)
	}
	if text == "" {
		return otherwise
	}
	return d
}

func (c *compiler) size(text string, otherwise int64, path ...string) int64 {
	if text == "" {
		return otherwise
	}
	n, err := parseSize(text)
	if err == nil && n > 64<<20 {
		err = fmt.Errorf("at most 64MiB are read of an answer")
	}
	if err != nil {
		c.fail(path, "%v", err)
	}
	return n
}
