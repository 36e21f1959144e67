package opencti

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Who finds out who asked: the person behind a work, the name of a playbook. It
// remembers what it learnt, gives up on what the connector's user may not see,
// and never keeps a message waiting. Safe for concurrent use.
type Who struct {
	client *Client

	mu        sync.Mutex
	people    names // by work id
	playbooks names // by playbook id
	// blind are the fields that the platform refuses to show us.
	blind map[string]bool
}

const (
	// whoKeeps bounds how many works and playbooks are remembered each.
	whoKeeps = 4096
	// whoPatience bounds one question.
	whoPatience = 5 * time.Second
)

const (
	fieldWork     = "work"
	fieldPlaybook = "playbook"
)

func newWho(client *Client) *Who { return &Who{client: client, blind: map[string]bool{}} }

// names is a bounded memory: two generations, the older of which is dropped
// when the newer is full. An empty name means that there is none to know.
type names struct{ recent, older map[string]string }

func (n *names) get(id string) (name string, known bool) {
	if name, known = n.recent[id]; known {
		return name, true
	}
	name, known = n.older[id]
	return name, known
}

func (n *names) put(id, name string) {
	if n.recent == nil || len(n.recent) >= whoKeeps/2 {
		n.recent, n.older = map[string]string{}, n.recent
	}
	n.recent[id] = name
}

// whoAnswer is what the platform says of both.
type whoAnswer struct {
	Work     *workAnswer     `json:"work"`
	Playbook *playbookAnswer `json:"playbook"`
}

type workAnswer struct {
	User *struct {
		Name string `json:"name"`
	} `json:"user"`
	Tracking *struct {
		Expected *int `json:"import_expected_number"`
	} `json:"tracking"`
}

type playbookAnswer struct {
	Name string `json:"name"`
}

func (a whoAnswer) person() string {
	if a.Work == nil || a.Work.User == nil {
		return ""
	}
	return a.Work.User.Name
}

// expected is how many objects the work expects, nil when nobody says.
func (a whoAnswer) expected() *int {
	if a.Work == nil || a.Work.Tracking == nil {
		return nil
	}
	return a.Work.Tracking.Expected
}

func (a whoAnswer) playbook() string {
	if a.Playbook == nil {
		return ""
	}
	return a.Playbook.Name
}

// Person is the name of whoever started the work, "" when the platform has none
// or does not tell us.
func (w *Who) Person(ctx context.Context, work string) (string, error) {
	return w.find(ctx, opPerson, fieldWork, work, &w.people, whoAnswer.person)
}

// Playbook is the name of a playbook, "" when the platform does not tell us.
func (w *Who) Playbook(ctx context.Context, id string) (string, error) {
	return w.find(ctx, opPlaybook, fieldPlaybook, id, &w.playbooks, whoAnswer.playbook)
}

func (w *Who) find(ctx context.Context, op operation, field, id string, in *names, of func(whoAnswer) string) (string, error) {
	if !w.asks(field, id) {
		w.mu.Lock()
		defer w.mu.Unlock()
		name, _ := in.get(id)
		return name, nil
	}
	ctx, cancel := context.WithTimeout(ctx, whoPatience)
	defer cancel()
	var answer whoAnswer
	err := w.client.Do(ctx, op, map[string]any{field: id}, "", &answer)
	var api *APIError
	if err != nil && !errors.As(err, &api) {
		return "", err
	}
	w.learn(field, id, of(answer), api)
	return of(answer), nil
}

// asks says that a question is worth asking: it is not answered yet, and not
// refused for good.
func (w *Who) asks(field, id string) bool {
	if id == "" {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	_, known := w.of(field).get(id)
	return !known && !w.blind[field]
}

// shows says that the platform has not refused to show us a field.
func (w *Who) shows(field string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.blind[field]
}

// learn keeps an answer, or that there will be none.
func (w *Who) learn(field, id, name string, refusal *APIError) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if refusal != nil && (refusal.Field == field || refusal.Field == "") {
		switch refusal.Code {
		case "FORBIDDEN_ACCESS", "GRAPHQL_VALIDATION_FAILED", "UNSUPPORTED_ERROR":
			w.blind[field] = true
		}
	}
	w.of(field).put(id, name)
}

// of is the memory of a field; the caller holds mu.
func (w *Who) of(field string) *names {
	if field == fieldWork {
		return &w.people
	}
	return &w.playbooks
}

// known is what has been learnt of a message's origin so far.
func (w *Who) known(work, playbook string) (person, name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	person, _ = w.people.get(work)
	name, _ = w.playbooks.get(playbook)
	return person, name
}
