package sandbox_test

import (
	"errors"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/enrichgate/enrichgate/enrich/opencti/openctitest"
	"github.com/enrichgate/enrichgate/enrich/opencti/sandbox"
)

const aboutQuery = `query healthCheck { about { version } }`

func TestAbout(t *testing.T) {
	c := newClient(t, sandbox.Options{Version: "7.260309.0-lts.2"})
	c.header = map[string]string{"opencti-draft-id": ""}
	if got := c.do(aboutQuery, nil); !reflect.DeepEqual(got, map[string]any{"about": map[string]any{"version": "7.260309.0-lts.2"}}) {
		t.Errorf("got %v", got)
	}
	got := c.do(`{ me { ...user } } fragment user on MeUser { mail: user_email __typename }`, nil)
	if want := map[string]any{"me": map[string]any{"mail": "connector@example.com", "__typename": "MeUser"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
	calls := c.p.Calls()
	if len(calls) != 2 || calls[0].Operation != sandbox.OpAbout || calls[0].Status != http.StatusOK || calls[0].Code != "" {
		t.Errorf("calls are %+v", calls)
	}
	if id, sent := calls[0].Draft(); id != "" || !sent {
		t.Errorf("draft %q, %v", id, sent)
	}
}

// Refusals come under HTTP 200 with a code, but for those of the request's context.
func TestRefusals(t *testing.T) {
	const unknown = `query { somethingElse }`
	for _, tt := range []struct {
		name, query string
		vars        map[string]any
		token       string
		draft       string
		status      int
		code, path  string
		problems    int
	}{
		{"wrong token", aboutQuery, nil, "wrong", "", 200, "AUTH_REQUIRED", "about", 0},
		{"wrong token in a locked draft", aboutQuery, nil, "wrong", "locked", 200, "AUTH_REQUIRED", "about", 0},
		{"locked draft", aboutQuery, nil, "", "locked", 500, "DRAFT_LOCKED", "", 0},
		{"no capability", `mutation { deleteConnector(id: "x") }`, nil, "", "", 200, "FORBIDDEN_ACCESS", "deleteConnector", 0},
		{"syntax", `query {`, nil, "", "", 200, "GRAPHQL_PARSE_FAILED", "", 1},
		{"unknown field", unknown, nil, "", "", 200, "GRAPHQL_VALIDATION_FAILED", "", 1},
		{"not in the schema", `{ about { size } }`, nil, "", "", 200, "GRAPHQL_VALIDATION_FAILED", "", 1},
		{"missing variable", `query q($id: String!) { stixCoreObject(id: $id) { id } }`, nil, "", "", 200, "BAD_USER_INPUT", "", 1},
		{"a field too often", `{ a: about { version } b: about { version } c: about { version } }`, nil, "", "", 200, "GRAPHQL_VALIDATION_FAILED", "", 1},
		{"a mutation twice", `mutation { a: workEdit(id: "x") { ping } b: workEdit(id: "x") { ping } }`, nil, "", "", 200, "GRAPHQL_VALIDATION_FAILED", "", 1},
		{"unknown connector", `mutation { pingConnector(id: "x") { id } }`, nil, "", "", 200, "FUNCTIONAL_ERROR", "pingConnector", 0},
		{"no such type", registerWith("type", "ENRICHMENT"), nil, "", "", 200, "GRAPHQL_VALIDATION_FAILED", "", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newClient(t, sandbox.Options{Capabilities: []string{"CONNECTORAPI", "KNOWLEDGE"}})
			c.p.LockDraft("locked")
			if tt.token != "" {
				c.token = tt.token
			}
			c.header = map[string]string{"opencti-draft-id": tt.draft}
			r, err := c.try(t.Context(), tt.query, tt.vars)
			if err != nil {
				t.Fatal(err)
			}
			path := ""
			if len(r.Errors) > 0 && len(r.Errors[0].Path) > 0 {
				path = r.Errors[0].Path[0]
			}
			if r.status != tt.status || r.code() != tt.code || path != tt.path || r.Errors[0].Name != tt.code {
				t.Errorf("got %d %s", r.status, r.body)
			}
			if got := c.p.Problems(); len(got) != tt.problems || len(sandbox.Except(got, sandbox.ErrSchema)) > 0 {
				t.Errorf("problems are %v", got)
			}
		})
	}
}

// registerWith is a registration with literals.
func registerWith(key, value string) string {
	s := `mutation { registerConnector(input: {id: "x", name: "Name", type: INTERNAL_ENRICHMENT}) { id } }`
	return strings.Replace(s, key+": INTERNAL_ENRICHMENT", key+": "+value, 1)
}

// What a version does not know fails the whole request, whether the schema is checked or not.
func TestGates(t *testing.T) {
	for _, tt := range []struct{ version, code, lacks string }{
		{"7.260817.0", "", ""},
		{"7.260223.0", "GRAPHQL_VALIDATION_FAILED", "jwks"},
		{"6.8.9", "GRAPHQL_VALIDATION_FAILED", "jwks"},
		{"a development build", "", ""},
	} {
		c := newClient(t, sandbox.Options{Version: tt.version})
		r, err := c.try(t.Context(), strings.Replace(registerQuery, "%s", "jwks", 1), map[string]any{"input": map[string]any{
			"id": c.id, "name": "Test", "type": "INTERNAL_ENRICHMENT", "auto_update": false,
		}})
		if err != nil {
			t.Fatal(err)
		}
		if r.code() != tt.code || !strings.Contains(r.body, tt.lacks) || (tt.code == "") != (len(c.p.Registered()) == 1) {
			t.Errorf("%s: %s", tt.version, r.body)
		}
		openctitest.NoProblems(t, c.p) // a connector may find out by trying
		c.register(tt.version, nil)
	}
	c := newClient(t, sandbox.Options{Version: "6.8.8", Check: func(string, map[string]any) error { return nil }})
	r, err := c.try(t.Context(), strings.Replace(registerQuery, "%s", "", 1), map[string]any{"input": map[string]any{
		"id": c.id, "name": "Test", "type": "INTERNAL_ENRICHMENT", "auto_update": false,
	}})
	if err != nil || r.code() != "BAD_USER_INPUT" || !strings.Contains(r.body, `\"auto_update\" is not defined`) {
		t.Errorf("%v %s", err, r.body)
	}
	if !slices.Contains(sandbox.Missing("6.5.6"), sandbox.Gate{Type: "Mutation", Field: "stixBundlePush", Arg: "work_id", Since: "6.5.7"}) {
		t.Error("6.5.6 knows stixBundlePush(work_id)")
	}
}

func TestRegisterAndPing(t *testing.T) {
	c := newClient(t, sandbox.Options{QueuePrefix: "acme"})
	got := c.register("", nil)
	config := got["config"].(map[string]any)
	for key, want := range map[string]string{
		"listen": "acme_listen_" + c.id, "listen_routing": "acme_listen_routing_" + c.id, "listen_exchange": "acme_amqp.connector.exchange",
		"push": "acme_push_" + c.id, "push_routing": "acme_push_routing_" + c.id, "push_exchange": "acme_amqp.worker.exchange",
	} {
		if config[key] != want {
			t.Errorf("%s is %v, want %s", key, config[key], want)
		}
	}
	if got["connector_state"] != nil || got["id"] != c.id {
		t.Errorf("got %v", got)
	}
	state := func(r reply) any {
		t.Helper()
		return r.Data["pingConnector"].(map[string]any)["connector_state"]
	}
	if s := state(c.ping(`{"a":1}`)); s != `{"a":1}` || c.p.State() != s {
		t.Errorf("state is %v", s)
	}
	// The reset survives one ping that would overwrite it.
	c.p.ResetState()
	if s := state(c.ping(`{"a":1}`)); s != "" {
		t.Errorf("after the reset the state is %v", s)
	}
	if s := state(c.ping("null")); s != "null" {
		t.Errorf("state is %v", s)
	}
	// A lost connector must register again; that keeps nothing of the old one.
	c.p.Forget(c.id)
	if r := c.ping("null"); r.code() != "FUNCTIONAL_ERROR" || r.Errors[0].Message != "No connector found with the specified ID" {
		t.Errorf("got %s", r.body)
	}
	c.register("", map[string]any{"scope": []string{"Url"}})
	all := c.p.Registered()
	if len(all) != 2 || !slices.Equal(all[1].Scope, []string{"Url"}) || !all[1].PlaybookCompatible || !all[0].AutoUpdate || c.p.Pings() != 3 {
		t.Errorf("%d pings, registrations %+v", c.p.Pings(), all)
	}
	openctitest.NoProblems(t, c.p)
	c.do(`mutation { deleteConnector(id: "`+c.id+`") }`, nil)
	wantProblems(t, c.p, sandbox.ErrUnregistered)
}

func TestAutoAsksOnlyWhoWants(t *testing.T) {
	c := newClient(t, sandbox.Options{})
	url, address := sandbox.NewEntity("Url", "https://www.example.com/"), sandbox.NewEntity("IPv4-Addr", "198.51.100.7")
	c.p.AddEntity(url)
	c.p.AddEntity(address)
	c.register("", map[string]any{"scope": []string{"ipv4-addr"}, "auto": true, "auto_update": false})
	for _, tt := range []struct {
		id, trigger string
		asked       bool
	}{
		{address.ID, "create", true}, {address.ID, "update", false}, {url.ID, "create", false},
	} {
		_, err := c.p.Auto(t.Context(), tt.id, tt.trigger)
		if tt.asked != (err == nil) || err != nil && !errors.Is(err, sandbox.ErrNotTriggered) {
			t.Errorf("%s %s: %v", tt.id, tt.trigger, err)
		}
	}
	if works := c.p.Works(); len(works) != 1 || works[0].Name != "Enrichment ("+address.ID+")" {
		t.Errorf("works are %v", works)
	}
	if _, err := c.p.Enrich(t.Context(), "ipv4-addr--x"); err == nil {
		t.Error("an unknown entity was enriched")
	}
}

func TestFaults(t *testing.T) {
	c := newClient(t, sandbox.Options{})
	c.register("", nil)
	play := func(fault sandbox.Fault) {
		c.p.Intercept(func(op string, _ map[string]any) sandbox.Fault {
			if op == sandbox.OpPing {
				return fault
			}
			return sandbox.Fault{}
		})
	}
	ping := `mutation { pingConnector(id: "` + c.id + `", state: "%") { id } }`
	send := func(state string) (reply, error) {
		return c.try(t.Context(), strings.Replace(ping, "%", state, 1), nil)
	}

	play(sandbox.Fault{Status: 502, Body: "Bad Gateway"})
	if r, err := send("a"); err != nil || r.status != 502 || r.body != "Bad Gateway" || c.p.State() != "" {
		t.Errorf("%v %d %q, state %q", err, r.status, r.body, c.p.State())
	}
	play(sandbox.Fault{Body: sandbox.ErrorBody("pingConnector", "LOCK_ERROR", "Execution timeout")})
	if r, err := send("a"); err != nil || r.status != 200 || r.code() != "LOCK_ERROR" || c.p.State() != "" {
		t.Errorf("%v %d %q, state %q", err, r.status, r.body, c.p.State())
	}
	play(sandbox.Fault{Drop: true})
	if r, err := send("a"); err == nil || c.p.State() != "" {
		t.Errorf("dropped, yet %d %q, state %q", r.status, r.body, c.p.State())
	}
	play(sandbox.Fault{Drop: true, After: true})
	if _, err := send("b"); err == nil || c.p.State() != "b" {
		t.Errorf("dropped afterwards: %v, state %q", err, c.p.State())
	}

	hang := make(chan struct{})
	play(sandbox.Fault{Hang: hang})
	before, done := c.p.Count(sandbox.OpPing), make(chan error)
	go func() {
		_, err := send("c")
		done <- err
	}()
	if err := c.p.Wait(openctitest.Context(t), func() bool { return c.p.Count(sandbox.OpPing) > before }); err != nil {
		t.Fatal(err)
	}
	if c.p.State() != "b" {
		t.Errorf("state is %q during the hang", c.p.State())
	}
	close(hang)
	if err := <-done; err != nil || c.p.State() != "c" {
		t.Errorf("%v, state %q", err, c.p.State())
	}
	c.p.Intercept(nil)
	if r, err := send("d"); err != nil || r.code() != "" {
		t.Errorf("%v %s", err, r.body)
	}
}

func TestStopAndResume(t *testing.T) {
	c := newClient(t, sandbox.Options{})
	c.do(aboutQuery, nil)
	hang := make(chan struct{})
	defer close(hang)
	c.p.Intercept(func(string, map[string]any) sandbox.Fault { return sandbox.Fault{Hang: hang} })
	done := make(chan error)
	go func() {
		_, err := c.try(t.Context(), aboutQuery, nil)
		done <- err
	}()
	if err := c.p.Wait(openctitest.Context(t), func() bool { return c.p.Count("about") == 2 }); err != nil {
		t.Fatal(err)
	}
	url := c.p.URL()
	c.p.Stop()
	if err := <-done; err == nil {
		t.Error("a call survived the outage")
	}
	if _, err := c.try(t.Context(), aboutQuery, nil); err == nil {
		t.Error("somebody answers during the outage")
	}
	c.p.Intercept(nil)
	if err := c.p.Resume(); err != nil {
		t.Fatal(err)
	}
	if c.do(aboutQuery, nil); c.p.URL() != url {
		t.Errorf("moved from %s to %s", url, c.p.URL())
	}
}

func TestHTTP(t *testing.T) {
	c := newClient(t, sandbox.Options{})
	for _, tt := range []struct {
		method, path, body string
		want               int
	}{
		{http.MethodGet, "/graphql", "", http.StatusMethodNotAllowed},
		{http.MethodPost, "/", "{}", http.StatusNotFound},
		{http.MethodPost, "/graphql", "{", http.StatusBadRequest},
		{http.MethodPost, "/graphql", "[]", http.StatusBadRequest},
	} {
		req, err := http.NewRequestWithContext(t.Context(), tt.method, c.p.URL()+tt.path, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != tt.want {
			t.Errorf("%s %s %q: %d %s", tt.method, tt.path, tt.body, resp.StatusCode, text)
		}
	}
}
