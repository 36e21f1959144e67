package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"

	"github.com/enrichgate/enrichgate/enrich/opencti/sandbox"
)

// childFar tells a child to be the far end of a benchmark: the URL of the broker.
const childFar = "TEST_CHILD_FAR"

// farEnd is a platform that costs next to nothing, in a process of its own, so
// that what is measured is the daemon. It knows one entity, answers every
// operation at once, counts them, and ends with its parent.
type farEnd struct {
	broker string
	entity sandbox.Entity

	mu     sync.Mutex
	counts map[string]int
	change *sync.Cond
}

// benchEntity is the one that is asked about.
func benchEntity() sandbox.Entity {
	return sandbox.NewEntity("StixFile", "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1", "TLP:GREEN")
}

func runFarEnd(broker string) int {
	f := &farEnd{broker: broker, entity: benchEntity(), counts: map[string]int{}}
	f.change = sync.NewCond(&f.mu)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("http://" + ln.Addr().String())
	mux := http.NewServeMux()
	mux.HandleFunc("POST /graphql", f.graphql)
	mux.HandleFunc("GET /wait", f.wait)
	go func() { _ = http.Serve(ln, mux) }()
	_, _ = io.Copy(io.Discard, os.Stdin) // the parent's end is ours
	return 0
}

func (f *farEnd) graphql(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	_, name, _ := bytes.Cut(body, []byte(` `))
	name = name[:bytes.IndexAny(name, "( {")]
	answer := `{"data":{}}`
	switch string(name) {
	case "healthCheck":
		answer = `{"data":{"about":{"version":"7.260817.0"}}}`
	case "RegisterConnector":
		answer = f.registration(body)
	case "PingConnector":
		answer = `{"data":{"pingConnector":{"connector_state":"null"}}}`
	case "ReadForEnrichment":
		answer = fmt.Sprintf(`{"data":{"stixCoreObject":{"standard_id":%q,"entity_type":%q,"objectMarking":[{"definition_type":"TLP","definition":"TLP:GREEN"}],"objectOrganization":[],"toStix":%s},"work":{"user":{"name":"alice"},"tracking":{"import_expected_number":0}}}}`,
			f.entity.ID, f.entity.Type, strconv.Quote(string(f.entity.STIX)))
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, answer)
	f.mu.Lock()
	f.counts[string(name)]++
	f.change.Broadcast()
	f.mu.Unlock()
}

func (f *farEnd) registration(body []byte) string {
	var req struct {
		Variables struct{ Input struct{ ID string } }
	}
	_ = json.Unmarshal(body, &req)
	u, _ := url.Parse(f.broker)
	pass, _ := u.User.Password()
	return fmt.Sprintf(`{"data":{"registerConnector":{"connector_user_id":"u","config":{"connection":{"host":%q,"port":%s,"vhost":"/","user":%q,"pass":%q},"listen":"bench-in-%s","push_exchange":"","push_routing":"bench-out-%s"}}}}`,
		u.Hostname(), u.Port(), u.User.Username(), pass, req.Variables.Input.ID, req.Variables.Input.ID)
}

// wait answers the counts when n works have ended.
func (f *farEnd) wait(w http.ResponseWriter, r *http.Request) {
	n, _ := strconv.Atoi(r.URL.Query().Get("n"))
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.counts["workToProcessed"] < n {
		f.change.Wait()
	}
	_ = json.NewEncoder(w).Encode(f.counts)
}

// startFarEnd starts the child and returns its address.
func startFarEnd(tb testing.TB, broker string) string {
	tb.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childFar+"="+broker)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		tb.Fatal(err)
	}
	return line[:len(line)-1]
}
