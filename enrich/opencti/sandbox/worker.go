package sandbox

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// PushMessage is one message that the worker took from a push queue.
type PushMessage struct {
	Body []byte
	// DeliveryMode and ContentEncoding are the message's properties; 2 is persistent.
	DeliveryMode    uint8
	ContentEncoding string
	ConnectorID     string
	// What the body says.
	BundleType     string
	WorkID         string
	ApplicantID    string
	DraftID        string
	ActionSequence int
	Update         bool
	NoSplit        bool
	// Bundle is the decoded content.
	Bundle json.RawMessage
}

type pushBody struct {
	Type           string `json:"type"`
	BundleType     string `json:"bundle_type"`
	WorkID         string `json:"work_id"`
	ApplicantID    string `json:"applicant_id"`
	DraftID        string `json:"draft_id"`
	ActionSequence int    `json:"action_sequence"`
	EntitiesTypes  []any  `json:"entities_types"`
	Content        string `json:"content"`
	Update         bool   `json:"update"`
	NoSplit        bool   `json:"no_split"`
}

// stixObject is an object of a bundle with what the worker must know of it.
type stixObject struct {
	ID, Type string
	Refs     []string
	Raw      json.RawMessage
}

// bundleObjects reads a bundle.
func bundleObjects(bundle []byte) ([]stixObject, error) {
	var b struct {
		Type    string            `json:"type"`
		Objects []json.RawMessage `json:"objects"`
	}
	if err := json.Unmarshal(bundle, &b); err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	if b.Type != "bundle" {
		return nil, fmt.Errorf("bundle: type is %q", b.Type)
	}
	objects := make([]stixObject, 0, len(b.Objects))
	for _, raw := range b.Objects {
		o, err := readObject(raw)
		if err != nil {
			return nil, err
		}
		objects = append(objects, o)
	}
	return objects, nil
}

func readObject(raw json.RawMessage) (stixObject, error) {
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		return stixObject{}, fmt.Errorf("object: %w", err)
	}
	o := stixObject{Raw: raw}
	o.ID, _ = m["id"].(string)
	o.Type, _ = m["type"].(string)
	if o.ID == "" || o.Type == "" || !strings.Contains(o.ID, "--") {
		return o, fmt.Errorf("object without id or type: %.80s", raw)
	}
	for key, v := range m {
		switch {
		case strings.HasSuffix(key, "_ref"):
			o.addRef(v)
		case strings.HasSuffix(key, "_refs"):
			list, _ := v.([]any)
			for _, v := range list {
				o.addRef(v)
			}
		}
	}
	if o.Type == "relationship" && (m["source_ref"] == nil || m["target_ref"] == nil) {
		return o, fmt.Errorf("%s lacks an end", o.ID)
	}
	return o, nil
}

func (o *stixObject) addRef(v any) {
	if s, ok := v.(string); ok && strings.Contains(s, "--") {
		o.Refs = append(o.Refs, s)
	}
}

// knownFromStart are the markings that every platform has.
func knownFromStart() map[string]bool {
	known := map[string]bool{}
	for _, id := range tlpIDs {
		known["marking-definition--"+id] = true
	}
	for _, level := range []string{"CLEAR", "GREEN", "AMBER", "RED"} {
		known[markingID("PAP:"+level)] = true
	}
	return known
}

// learnLocked makes an object, and what it refers to, known to later references:
// the platform has it, so it has those too.
func (p *Platform) learnLocked(raw json.RawMessage) {
	var m map[string]any
	if json.Unmarshal(raw, &m) != nil {
		return
	}
	var walk func(key string, v any)
	walk = func(key string, v any) {
		switch v := v.(type) {
		case string:
			if key == "id" || strings.HasSuffix(key, "_ref") || strings.HasSuffix(key, "_refs") {
				p.known[v] = true
			}
		case []any:
			for _, item := range v {
				walk(key, item)
			}
		case map[string]any:
			for k, item := range v {
				walk(k, item)
			}
		}
	}
	walk("", m)
}

// parked is a delivery whose objects refer to something unknown.
type parked struct {
	d     amqp.Delivery
	until time.Time
}

// importDeliveries is the worker for one push queue. It ends with the deliveries.
func (p *Platform) importDeliveries(connectorID string, deliveries <-chan amqp.Delivery) {
	var waiting []parked
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		var due <-chan time.Time
		if len(waiting) > 0 {
			due = tick.C
		}
		select {
		case d, ok := <-deliveries:
			if !ok {
				return
			}
			if !p.settleDelivery(connectorID, d, false) {
				waiting = append(waiting, parked{d, time.Now().Add(p.opt.ReferenceWait)})
				continue
			}
		case <-due:
		}
		waiting = slices.DeleteFunc(waiting, func(w parked) bool {
			return p.settleDelivery(connectorID, w.d, time.Now().After(w.until))
		})
	}
}

// settleDelivery imports and acks. It does neither when references are missing
// and this is not the last try.
func (p *Platform) settleDelivery(connectorID string, d amqp.Delivery, last bool) bool {
	msg := PushMessage{ConnectorID: connectorID, Body: d.Body, DeliveryMode: d.DeliveryMode, ContentEncoding: d.ContentEncoding}
	done := false
	p.update(func() { done = p.takeLocked(msg, d.Redelivered, last) })
	if done {
		_ = d.Ack(false)
	}
	return done
}

// takeLocked imports one message. It returns false when it should be tried again.
func (p *Platform) takeLocked(msg PushMessage, redelivered, last bool) bool {
	hash := sha256.Sum256(msg.Body)
	if redelivered && p.seen[hash] {
		p.redelivered++ // its ack was lost
		return true
	}
	objects, err := msg.read()
	if err == nil && !last && len(p.missingLocked(objects, objects)) > 0 {
		return false
	}
	if p.seen[hash] {
		p.problemLocked(ErrDuplicateMessage, "%.200s", msg.Body)
	}
	p.seen[hash] = true
	p.pushed = append(p.pushed, msg)
	if err == nil && msg.DeliveryMode != amqp.Persistent {
		p.problemLocked(ErrMessage, "delivery mode %d is not persistent", msg.DeliveryMode)
	}
	var w *work
	if msg.WorkID != "" {
		w = p.workLocked(msg.WorkID, "push queue")
	}
	if err != nil {
		p.problemLocked(ErrMessage, "%v", err)
		if w != nil {
			p.reportLocked(w, err.Error())
		}
		return true
	}
	if len(objects) > 1 && !msg.NoSplit && w != nil {
		w.Expected += len(objects) // a bundle of several is split again, and counted again
	}
	p.importLocked(objects, w)
	return true
}

// read decodes the body and its content.
func (msg *PushMessage) read() ([]stixObject, error) {
	var b pushBody
	if err := json.Unmarshal(msg.Body, &b); err != nil {
		return nil, err
	}
	msg.BundleType, msg.WorkID, msg.ApplicantID, msg.DraftID = b.BundleType, b.WorkID, b.ApplicantID, b.DraftID
	msg.ActionSequence, msg.Update, msg.NoSplit = b.ActionSequence, b.Update, b.NoSplit
	if b.Type != "" && b.Type != "bundle" {
		return nil, fmt.Errorf("type is %q", b.Type)
	}
	content, err := base64.StdEncoding.DecodeString(b.Content)
	if err != nil {
		return nil, fmt.Errorf("content: %w", err)
	}
	msg.Bundle = content
	if b.Type == "" && b.BundleType != "QUEUE_BUNDLE" {
		return nil, fmt.Errorf("bundle_type is %q", b.BundleType)
	}
	if b.ApplicantID == "" {
		return nil, errors.New("no applicant_id")
	}
	objects, err := bundleObjects(content)
	if err == nil && len(objects) == 0 {
		err = errors.New("empty bundle")
	}
	return objects, err
}

// missingLocked are the references of objects that neither the platform nor the bundle has.
func (p *Platform) missingLocked(objects, bundle []stixObject) []string {
	var missing []string
	for _, o := range objects {
		for _, ref := range o.Refs {
			if !p.known[ref] && !slices.ContainsFunc(bundle, func(other stixObject) bool { return other.ID == ref }) {
				missing = append(missing, ref)
			}
		}
	}
	return missing
}

// importLocked stores the objects and reports each to the work.
func (p *Platform) importLocked(objects []stixObject, w *work) {
	for i, o := range objects {
		text := ""
		if missing := p.missingLocked(objects[i:i+1], objects); len(missing) > 0 {
			text = fmt.Sprintf("MISSING_REFERENCE_ERROR: %s refers to %s", o.ID, strings.Join(missing, ", "))
			p.problemLocked(ErrReference, "%s", text)
		} else {
			p.imported[o.ID] = o.Raw
			p.known[o.ID] = true
		}
		if w != nil {
			p.reportLocked(w, text)
		}
	}
}

// bundlePush answers stixBundlePush: the worker splits the bundle and counts it.
func (p *Platform) bundlePush(_ *request, f *field) (any, *gqlError) {
	c := p.connector(f.str("connectorId"))
	if c == nil {
		return nil, functional(f.str("connectorId"), "No connector found with the specified ID")
	}
	bundle := f.str("bundle")
	p.update(func() {
		var w *work
		if id := f.str("work_id"); id == "" {
			w = p.newWorkLocked(c.ID, "", "", "Bundle push")
		} else {
			w = p.workLocked(id, OpBundlePush)
		}
		msg := PushMessage{ConnectorID: c.ID, Body: []byte(bundle), DeliveryMode: amqp.Persistent, ApplicantID: p.userID, Update: true, Bundle: json.RawMessage(bundle)}
		if w != nil {
			msg.WorkID = w.ID
		}
		p.pushed = append(p.pushed, msg)
		objects, err := bundleObjects([]byte(bundle))
		if err != nil {
			p.problemLocked(ErrMessage, "%s: %v", OpBundlePush, err)
			if w != nil {
				w.note(&w.Errors, err.Error())
			}
			return
		}
		if w != nil {
			w.Expected += len(objects)
		}
		p.importLocked(objects, w)
	})
	return true, nil
}

// Imported returns the last version of each object that the worker took, by id.
func (p *Platform) Imported() map[string]json.RawMessage {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.imported)
}

// Pushed is the number of messages that the worker took from push queues, a
// stixBundlePush counting as one.
func (p *Platform) Pushed() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.pushed)
}

// PushMessages returns those messages, oldest first.
func (p *Platform) PushMessages() []PushMessage {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.pushed)
}

// Redelivered is the number of messages that came again because the worker's ack was lost.
func (p *Platform) Redelivered() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.redelivered
}
