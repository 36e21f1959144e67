package sandbox

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Registration is one accepted registerConnector call.
type Registration struct {
	ID                   string
	Name                 string
	Type                 string
	Scope                []string
	Auto                 bool
	AutoUpdate           bool
	EnrichmentResolution string
	OnlyContextual       bool
	PlaybookCompatible   bool
	ListenCallbackURI    string
	// Input is the input object as it came.
	Input map[string]any
	At    time.Time
}

// connector is what the platform keeps of a registered connector.
type connector struct {
	Registration
	state   any // string or nil
	reset   bool
	info    map[string]any
	updated time.Time
	names   names

	queue [][]byte // messages, when there is no broker
}

// names of a connector's queues and exchanges.
type names struct {
	listen, listenRouting, listenExchange string
	push, pushRouting, pushExchange       string
	deadLetter                            string
}

func (p *Platform) namesOf(id string) names {
	prefix := ""
	if p.opt.QueuePrefix != "" {
		prefix = p.opt.QueuePrefix + "_"
	}
	return names{
		listen: prefix + "listen_" + id, listenRouting: prefix + "listen_routing_" + id,
		listenExchange: prefix + "amqp.connector.exchange",
		push:           prefix + "push_" + id, pushRouting: prefix + "push_routing_" + id,
		pushExchange: prefix + "amqp.worker.exchange",
		deadLetter:   prefix + "listen_routing_too-large-bundle",
	}
}

// inputKinds are the fields of RegisterConnectorInput.
var inputKinds = map[string]string{
	"id": "ID", "name": "String", "type": "ConnectorType", "scope": "[String!]",
	"auto": "Boolean", "auto_update": "Boolean", "enrichment_resolution": "String",
	"only_contextual": "Boolean", "playbook_compatible": "Boolean",
	"listen_callback_uri": "String", "xtm_one_intent": "String",
	"version": "String", "slug": "String",
}

var connectorTypes = []string{
	"EXTERNAL_IMPORT", "INTERNAL_IMPORT_FILE", "INTERNAL_ENRICHMENT", "INTERNAL_ANALYSIS", "INTERNAL_EXPORT_FILE", "STREAM",
}

// registration reads the input, as strictly as the schema's types are.
func registration(input map[string]any) (Registration, *gqlError) {
	r := Registration{Input: input}
	texts := map[string]*string{
		"id": &r.ID, "name": &r.Name, "type": &r.Type,
		"enrichment_resolution": &r.EnrichmentResolution, "listen_callback_uri": &r.ListenCallbackURI,
		"xtm_one_intent": new(string), "version": new(string), "slug": new(string),
	}
	flags := map[string]*bool{
		"auto": &r.Auto, "auto_update": &r.AutoUpdate,
		"only_contextual": &r.OnlyContextual, "playbook_compatible": &r.PlaybookCompatible,
	}
	for key, v := range input {
		if v == nil {
			continue
		}
		ok := true
		if text := texts[key]; text != nil {
			*text, ok = v.(string)
		} else if flag := flags[key]; flag != nil {
			*flag, ok = v.(bool)
		} else if list, isList := v.([]any); isList {
			for _, item := range list {
				s, isText := item.(string)
				ok = ok && isText
				r.Scope = append(r.Scope, s)
			}
		} else {
			ok = false
		}
		if !ok {
			return r, badInput("Variable \"$input\" got invalid value %q at \"input.%s\"; %s cannot represent the value.", fmt.Sprint(v), key, inputKinds[key])
		}
	}
	switch {
	case r.ID == "":
		return r, badInput("Field \"id\" of required type \"ID!\" was not provided.")
	case len(strings.TrimSpace(r.Name)) < 2:
		return r, badInput("Field \"name\": must be at least 2 characters in length and not blank.")
	case !slices.Contains(connectorTypes, r.Type):
		return r, badInput("Value %q does not exist in \"ConnectorType\" enum.", r.Type)
	}
	return r, nil
}

func (p *Platform) register(req *request, f *field) (any, *gqlError) {
	input, _ := f.args["input"].(map[string]any)
	r, bad := registration(input)
	if bad != nil {
		return nil, bad
	}
	r.At = p.opt.Now()
	c := &connector{Registration: r, names: p.namesOf(r.ID), updated: r.At}
	if err := p.declare(c); err != nil {
		return nil, database(err)
	}
	p.update(func() {
		if old := p.connectors[r.ID]; old != nil {
			// The state and the queue outlive a registration.
			old.Registration, old.updated = r, r.At
			c = old
		} else {
			p.connectors[r.ID] = c
			if p.opt.AMQPURL == "" {
				p.startPosters(c)
			}
		}
		p.latest = c
		p.registered = append(p.registered, r)
	})
	p.consume(c)
	return p.connectorAnswer(c, f), nil
}

func (p *Platform) ping(_ *request, f *field) (any, *gqlError) {
	id := f.str("id")
	c := p.connector(id)
	if c == nil {
		return nil, functional(id, "No connector found with the specified ID")
	}
	if err := p.declare(c); err != nil {
		return nil, database(err)
	}
	p.consume(c)
	p.update(func() {
		p.pings++
		if info, ok := f.args["connectorInfo"].(map[string]any); ok {
			c.info = info
		}
		if c.reset {
			// The answer to this ping tells the connector; its own state is dropped.
			c.reset = false
			return
		}
		c.updated = p.opt.Now()
		if state, ok := f.args["state"]; ok {
			c.state = state
		}
	})
	return p.connectorAnswer(c, f), nil
}

// deleteConnector removes a connector with its works and queues. No connector should do that to itself.
func (p *Platform) deleteConnector(_ *request, f *field) (any, *gqlError) {
	id := f.str("id")
	c := p.connector(id)
	if c == nil {
		return nil, functional(id, "No connector found with the specified ID")
	}
	p.update(func() {
		p.problemLocked(ErrUnregistered, "%s", id)
		delete(p.connectors, id)
		if p.latest == c {
			p.latest = nil
		}
		for _, w := range p.works {
			w.deleted = w.deleted || w.ConnectorID == id
		}
	})
	return id, nil
}

func (p *Platform) readConnector(_ *request, f *field) (any, *gqlError) {
	c := p.connector(f.str("id"))
	if c == nil {
		return nil, nil
	}
	return p.connectorAnswer(c, f), nil
}

func (p *Platform) connector(id string) *connector {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.connectors[id]
}

func (p *Platform) connectorAnswer(c *connector, f *field) any {
	p.mu.Lock()
	defer p.mu.Unlock()
	info := map[string]any{
		"run_and_terminate": false, "buffering": false, "queue_threshold": 500.0, "queue_messages_size": 0.0,
		"next_run_datetime": nil, "last_run_datetime": nil,
	}
	for k, v := range c.info {
		info[k] = v
	}
	var callback any
	if c.ListenCallbackURI != "" {
		callback = c.ListenCallbackURI
	}
	n := c.names
	return project(obj("Connector", map[string]any{
		"id": c.ID, "name": c.Name, "active": p.activeLocked(c), "auto": c.Auto, "only_contextual": c.OnlyContextual,
		"connector_type": c.Type, "connector_scope": c.Scope, "connector_state": c.state,
		"connector_user_id": p.userID, "connector_priority_group": "DEFAULT", "built_in": false,
		"updated_at": stamp(c.updated), "created_at": stamp(c.At),
		"connector_info":          obj("ConnectorInfo", info),
		"connector_queue_details": obj("ConnectorQueueDetails", map[string]any{"messages_number": 0.0, "messages_size": 0.0}),
		"jwks":                    p.jwksLocked(),
		"config": obj("ConnectorConfig", map[string]any{
			"connection": p.connectionAnswer(),
			"s3": obj("S3Connection", map[string]any{
				"endpoint": "127.0.0.1", "port": 9000, "use_ssl": false, "bucket_name": "sandbox",
				"bucket_region": "us-east-1", "access_key": "sandbox", "secret_key": "sandbox",
			}),
			"listen": n.listen, "listen_routing": n.listenRouting, "listen_exchange": n.listenExchange,
			"push": n.push, "push_routing": n.pushRouting, "push_exchange": n.pushExchange,
			"listen_callback_uri": callback, "dead_letter_routing": n.deadLetter,
		}),
	}), f.sel)
}

// connectionAnswer tells where the broker is. Without one it names a port where nobody listens.
func (p *Platform) connectionAnswer() *object {
	host, port, vhost, user, pass, ssl := "127.0.0.1", 1, "/", "guest", "guest", false
	if u, err := url.Parse(p.opt.AMQPURL); err == nil && p.opt.AMQPURL != "" {
		host, ssl, port = u.Hostname(), u.Scheme == "amqps", 5672
		if ssl {
			port = 5671
		}
		if n, err := strconv.Atoi(u.Port()); err == nil {
			port = n
		}
		if len(u.Path) > 1 {
			vhost = u.Path[1:]
		}
		if u.User != nil {
			user = u.User.Username()
			pass, _ = u.User.Password()
		}
	}
	return obj("RabbitMQConnection", map[string]any{
		"host": host, "port": port, "vhost": vhost, "use_ssl": ssl, "user": user, "pass": pass,
	})
}

// jwksLocked is the public half of the callback key, JSON inside a string.
func (p *Platform) jwksLocked() string {
	public, _ := p.key.Public().(ed25519.PublicKey)
	return string(encode(map[string]any{"keys": []any{map[string]any{
		"kid": p.kid, "use": "sig", "alg": "EdDSA", "crv": "Ed25519", "kty": "OKP",
		"x": base64.RawURLEncoding.EncodeToString(public),
	}}}))
}

// activeLocked says whether the connector was heard of in the last five minutes.
func (p *Platform) activeLocked(c *connector) bool {
	return p.opt.Now().Sub(c.updated) < 5*time.Minute
}

// Registered returns every accepted registration, oldest first.
func (p *Platform) Registered() []Registration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.registered)
}

// Pings is the number of accepted pings.
func (p *Platform) Pings() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pings
}

// State is the state that the connector which registered last has stored by its pings.
func (p *Platform) State() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.latest == nil {
		return ""
	}
	s, _ := p.latest.state.(string)
	return s
}

// ResetState plays the reset button: the state becomes empty, the next ping is
// answered so and may not overwrite it, and both queues are purged.
func (p *Platform) ResetState() {
	p.mu.Lock()
	c, s := p.latest, p.session
	if c != nil {
		c.state, c.reset, c.queue = "", true, nil
		p.wakeLocked()
	}
	p.mu.Unlock()
	if c != nil && s != nil {
		_ = s.purge(c.names.listen, c.names.push)
	}
}

// Forget makes the platform lose a connector, as after a restored backup: pings
// are answered by an error until it registers again.
func (p *Platform) Forget(id string) {
	p.update(func() {
		if p.latest == p.connectors[id] {
			p.latest = nil
		}
		delete(p.connectors, id)
	})
}

// LockDraft has requests in that draft refused, as after its validation.
func (p *Platform) LockDraft(id string) { p.update(func() { p.drafts[id] = true }) }

func (p *Platform) draftLocked(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.drafts[id]
}

// waitConnector returns the connector with that id, or the one that registered
// last when id is empty, and waits for it if there is none yet.
func (p *Platform) waitConnector(ctx context.Context, id string) (c *connector, err error) {
	err = p.Wait(ctx, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		if c = p.latest; id != "" {
			c = p.connectors[id]
		}
		return c != nil
	})
	if err != nil {
		return nil, fmt.Errorf("sandbox: waiting for a connector to register: %w", err)
	}
	return c, nil
}
