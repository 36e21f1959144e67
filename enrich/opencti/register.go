package opencti

import (
	"context"
	"time"
)

// Registration is what the platform answers to a registration.
type Registration struct {
	UserID string
	// State is what the platform stored for us, a JSON document.
	State string
	// JWKS are the keys of those who post messages to us.
	JWKS   string
	Listen string
	Push   Route
	Broker brokerAddress
	// Storage is the platform's object store, asked for only by those who use it.
	Storage storageAddress
	version version
}

// Route is where results are published.
type Route struct{ Exchange, Key string }

type brokerAddress struct {
	Host   string `json:"host"`
	Vhost  string `json:"vhost"`
	UseSSL bool   `json:"use_ssl"`
	Port   int    `json:"port"`
	User   string `json:"user"`
	Pass   string `json:"pass"`
}

// storageAddress is an S3 store.
type storageAddress struct {
	Endpoint  string `json:"endpoint"`
	Port      int    `json:"port"`
	UseSSL    bool   `json:"use_ssl"`
	Bucket    string `json:"bucket_name"`
	Region    string `json:"bucket_region"`
	AccessKey string `json:"access_key"`
	SecretKey string `json:"secret_key"`
}

// registered is the platform's answer.
type registered struct {
	ConnectorState  string `json:"connector_state"`
	ConnectorUserID string `json:"connector_user_id"`
	JWKS            string `json:"jwks"`
	Config          *struct {
		Connection   brokerAddress   `json:"connection"`
		S3           *storageAddress `json:"s3"`
		Listen       string          `json:"listen"`
		PushRouting  string          `json:"push_routing"`
		PushExchange string          `json:"push_exchange"`
	} `json:"config"`
}

// register registers with the platform and takes over what it says.
func (c *Connector) register(ctx context.Context) error {
	last := <-c.registering
	defer func() { c.registering <- last }()
	last = time.Now()
	return c.registerNow(ctx)
}

// registerAgain is register, unless it was done within the last pause or takes
// longer than patience: the platform may be away just as the broker is, and the
// registration that we have may still be right.
func (c *Connector) registerAgain(ctx context.Context, pause, patience time.Duration) error {
	var last time.Time
	select {
	case last = <-c.registering:
	default:
		return nil // it is being done
	}
	defer func() { c.registering <- last }()
	if time.Since(last) < pause {
		return nil
	}
	last = time.Now()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return c.registerNow(ctx)
}

func (c *Connector) registerNow(ctx context.Context) error {
	var health struct {
		About struct {
			Version string `json:"version"`
		} `json:"about"`
	}
	if err := c.client.Do(ctx, opHealth, map[string]any{}, "", &health); err != nil {
		return c.noteRefusal(err)
	}
	v := parseVersion(health.About.Version)
	var out struct {
		RegisterConnector *registered `json:"registerConnector"`
	}
	op := opRegister(v, c.cfg.Output.S3 != nil)
	if err := c.client.Do(ctx, op, map[string]any{"input": c.registerInput(v)}, "", &out); err != nil {
		return c.noteRefusal(err)
	}
	r := out.RegisterConnector
	if r == nil || r.Config == nil {
		return &APIError{Operation: op.name, Code: "UNEXPECTED_ANSWER", Message: "the answer has no configuration"}
	}
	reg := &Registration{
		UserID: r.ConnectorUserID, State: r.ConnectorState, JWKS: r.JWKS, Listen: r.Config.Listen, version: v,
		Push: Route{Exchange: r.Config.PushExchange, Key: r.Config.PushRouting}, Broker: c.cfg.Broker.over(r.Config.Connection),
	}
	if r.Config.S3 != nil {
		reg.Storage = *r.Config.S3
	}
	c.stateIs(reg.State)
	old := c.reg.Swap(reg)
	c.refused.Store(false)
	c.lastPing.Store(time.Now().UnixNano())
	if old != nil && (old.Listen != reg.Listen || old.Push != reg.Push || old.Broker != reg.Broker) {
		c.mu.Lock()
		close(c.renewed)
		c.renewed = make(chan struct{})
		c.mu.Unlock()
	}
	c.log.Info("Connector registered with ID", "id", c.cfg.ID, "platform", health.About.Version)
	return nil
}

// noteRefusal remembers that the platform does not let us in.
func (c *Connector) noteRefusal(err error) error {
	if refusesUs(err) {
		c.refused.Store(true)
	}
	return err
}

// changed is closed when a later registration says something else.
func (c *Connector) changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.renewed
}

// Slug is our name in OpenCTI's catalogue of connectors.
const Slug = "enrichment-gateway"

// registerInput has only the keys that the version knows.
func (c *Connector) registerInput(v version) map[string]any {
	in := map[string]any{
		"id": c.cfg.ID, "name": c.cfg.Name, "type": "INTERNAL_ENRICHMENT", "scope": platformScope(c.cfg.Scope),
		"auto": c.cfg.Auto, "only_contextual": c.cfg.OnlyContextual, "playbook_compatible": true,
	}
	if v.atLeast(6, 8, 9) {
		in["auto_update"] = c.cfg.AutoUpdate
		in["enrichment_resolution"] = c.cfg.EnrichmentResolution
	}
	if v.atLeast(6, 5, 7) {
		in["listen_callback_uri"] = nil
		if c.cfg.ListenProtocol == ProtocolAPI {
			in["listen_callback_uri"] = c.cfg.CallbackURI
		}
	}
	if v.showsBuild() && c.cfg.Version != "" {
		in["version"], in["slug"] = c.cfg.Version, Slug
	}
	return in
}
