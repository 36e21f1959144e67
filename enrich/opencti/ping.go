package opencti

import (
	"context"
	"encoding/json"
	"reflect"
	"strings"
	"time"
)

// pingEvery is pycti's interval; the platform takes a connector for dead after
// five minutes without.
const pingEvery = 40 * time.Second

// pings keeps the platform's picture of us fresh, and ours of it.
func (c *Connector) pings(ctx context.Context) {
	failing := false
	for {
		err := c.pingOnce(ctx, failing)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			failing = true
			c.metrics.pingErrors.Inc()
			c.log.Error("Error pinging the API", "error", err)
		} else {
			c.metrics.pings.Inc()
			c.lastPing.Store(time.Now().UnixNano())
			if failing {
				c.log.Info("API Ping back to normal")
			}
			failing = false
		}
		timer := time.NewTimer(c.cfg.pingEvery)
		select {
		case <-timer.C:
		case <-c.pingSoon:
			timer.Stop()
			// Whoever asks in a row waits a little: one ping answers all.
			_ = sleep(ctx, pauseAfter(2))
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// pingOnce pings, and registers again when the platform does not know us any
// more, because it was reset or restored, and when it comes back after it was
// away: it may have been upgraded, or name another broker.
func (c *Connector) pingOnce(ctx context.Context, wasAway bool) error {
	err := c.ping(ctx)
	switch {
	case isUnknownConnector(err):
		c.log.Warn("Connector is unknown to OpenCTI, registering again", "reason", err.Error())
		return c.register(ctx)
	case err == nil && wasAway:
		return c.register(ctx)
	}
	return c.noteRefusal(err)
}

// askPing has a ping sent before its time.
func (c *Connector) askPing() {
	select {
	case c.pingSoon <- struct{}{}:
	default:
	}
}

func (c *Connector) ping(ctx context.Context) error {
	sent := c.state()
	variables := map[string]any{"id": c.cfg.ID, "state": sent}
	v := c.registration().version
	if v.hasConnectorInfo() {
		variables["connectorInfo"] = map[string]any{
			"run_and_terminate": false, "buffering": c.holding.Load() > 0, "queue_threshold": 500.0, "queue_messages_size": 0.0,
			"next_run_datetime": nil, "last_run_datetime": nil,
		}
	}
	var out struct {
		PingConnector *struct {
			ConnectorState string `json:"connector_state"`
		} `json:"pingConnector"`
	}
	if err := c.client.Do(ctx, opPing(v), variables, "", &out); err != nil {
		return err
	}
	if out.PingConnector == nil {
		return &APIError{Operation: "PingConnector", Code: "FUNCTIONAL_ERROR", Message: "the platform knows no such connector"}
	}
	if got := out.PingConnector.ConnectorState; !sameState(got, sent) {
		c.log.Info("Connector state has been remotely reset")
		c.stateIs(got)
	}
	return nil
}

// state is what the ping tells the platform to keep.
func (c *Connector) state() string {
	state := ""
	if c.cfg.State != nil {
		state = c.cfg.State()
	} else {
		c.stateMu.Lock()
		state = c.stored
		c.stateMu.Unlock()
	}
	if state == "" {
		return "null" // as the Python client says "none"
	}
	return state
}

// stateIs takes over what the platform has stored.
func (c *Connector) stateIs(state string) {
	if strings.TrimSpace(state) == "null" {
		state = ""
	}
	c.stateMu.Lock()
	defer c.stateMu.Unlock()
	c.stored = state
	if c.cfg.OnState != nil {
		c.cfg.OnState(state)
	}
}

// sameState compares two states as documents; no state has two spellings.
func sameState(a, b string) bool {
	read := func(s string) (v any) {
		if err := json.Unmarshal([]byte(s), &v); err != nil && s != "" {
			return s
		}
		return v
	}
	return reflect.DeepEqual(read(a), read(b))
}
