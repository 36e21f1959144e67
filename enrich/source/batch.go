package source

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/enrich/source/wire"
)

// batch is a compiled batch block: one request about many values.
type batch struct {
	param   string // switches it on; empty: always on
	most    int
	request request
	split   *program
	// answers are the classes that need no lookup of their own any more; nil: all.
	answers []enrich.Class
	perCall bool
}

func (c *compiler) batch(l *lookup, at []string) *batch {
	b := l.block.Batch
	if b == nil {
		return nil
	}
	made := &batch{param: b.Param, most: b.Most, perCall: b.Price == "call"}
	if p, known := c.def.Settings.Params[b.Param]; b.Param != "" && (!known || p.Type != "bool") {
		c.fail(append(at, "param"), "no parameter of type bool is called %s", b.Param)
	}
	if l.value != nil {
		c.fail(at, "the values of a lookup with a value of its own cannot be sent together")
	}
	made.request = c.request(b.Request, append(at, "request")...)
	made.split = c.program(b.Split, append(at, "split")...)
	for i, name := range b.Answers {
		class, known := parseClass(name)
		if !known || !class.Keep() {
			c.fail(append(at, "answers", fmt.Sprint(i)), "%s is no class that is kept", enrich.Shown(name))
		}
		made.answers = append(made.answers, class)
	}
	if made.request.asks("value") {
		c.fail(append(at, "request"), "{value} is one value; those of a batch are {values}")
	}
	if !made.request.asks("values") {
		c.fail(append(at, "request"), "{values} is nowhere in it")
	}
	return made
}

// Batch says whom a lookup may travel with: others of the same block, if the
// operator lets it.
func (s *Source) Batch(l enrich.Lookup) enrich.Batch {
	own := s.d.find(l.Endpoint)
	if own == nil || own.batch == nil {
		return enrich.Batch{}
	}
	if on, _ := s.params[own.batch.param].(bool); own.batch.param != "" && !on {
		return enrich.Batch{}
	}
	return enrich.Batch{Key: l.Endpoint + " " + l.Vary, Most: own.batch.most, Again: own.batch.answers != nil}
}

// FetchMany makes one request for all of the lookups. What the answer does not
// say of one of them, or says twice, is a failure of that one: silence is no
// answer.
func (s *Source) FetchMany(ctx context.Context, ls []enrich.Lookup) []enrich.Answer {
	own := s.d.find(ls[0].Endpoint)
	in := s.scope(own, "")
	v := values{params: s.params, secrets: s.secrets}
	for _, l := range ls {
		in.values = append(in.values, l.Value)
		v.values = append(v.values, l.Value)
	}
	answers := make([]enrich.Answer, len(ls))
	req, err := s.authorized(&own.batch.request, v)
	if err != nil {
		for i := range answers {
			answers[i].Err = s.failure(err.Error())
		}
		return answers
	}
	reply := s.client.Do(ctx, req)
	for i, a := range s.answeredMany(ctx, own, ls, in, reply) {
		a.Status, a.Sent, a.Apart = reply.Status, reply.Sent, true
		// The price of a call is the first one's to pay, if it has one.
		if i > 0 {
			a.Usage = nil // once a request
		}
		a.Free = a.Free || own.batch.perCall && i > 0 && reply.Status != 0
		answers[i] = a
	}
	return answers
}

// answeredMany judges each value by the lookup's own rules.
func (s *Source) answeredMany(ctx context.Context, own *lookup, ls []enrich.Lookup, in scope, reply wire.Reply) []enrich.Answer {
	answers := make([]enrich.Answer, len(ls))
	parts, why := map[string]part{}, error(nil)
	if ok := reply.Err == nil && reply.Status >= 200 && reply.Status < 300; ok {
		parts, why = own.batch.parts(context.WithoutCancel(ctx), newExchange(reply.Status, reply.Header, reply.Body), in)
	}
	for i, l := range ls {
		alone := s.scope(own, l.Value)
		said, told := parts[l.Value]
		one := reply
		if told {
			one.Status, one.Body = said.status, said.body
		}
		a := s.answered(ctx, own, l, alone, one)
		switch {
		case told && a.Class.Keep() && own.batch.answers != nil && !slices.Contains(own.batch.answers, a.Class):
			a.AskAlone = true
		case !told && a.Class.Keep(), why != nil:
			// The answer about all is no answer about one.
			a = enrich.Answer{Class: enrich.ServerError, Err: s.failure(fmt.Sprintf("%s answered %d about %d values, and nothing that can be read of this one", s.d.Title(), reply.Status, len(ls)))}
		}
		answers[i] = a
	}
	return answers
}

// part is what the provider would have said of one value.
type part struct {
	status int
	body   []byte
}

// parts takes an answer apart by value. Rows that are about nothing that was
// asked are nobody's; of a value that is told of twice nothing is known.
func (b *batch) parts(ctx context.Context, x *exchange, in scope) (map[string]part, error) {
	yields, err := b.split.run(ctx, x.input, in)
	if err != nil {
		return nil, err
	}
	parts, told := map[string]part{}, map[string]int{}
	for _, y := range yields {
		value, one, ok := rowOf(y, in.values, x.status)
		if !ok {
			continue
		}
		parts[value] = one
		told[value]++
	}
	maps.DeleteFunc(parts, func(value string, _ part) bool { return told[value] > 1 })
	return parts, nil
}

// rowOf reads one row of a split; false for what is none about a value that was
// asked about.
func rowOf(row any, values []any, status int) (value string, one part, ok bool) {
	o, _ := row.(map[string]any)
	name, _ := o["value"].(string)
	content, is := o["body"]
	value, asked := askedAs(name, values)
	if !is || !asked {
		return "", one, false
	}
	body, err := json.Marshal(content)
	if err != nil {
		return "", one, false
	}
	one = part{status: status, body: body}
	if own, is := o["status"].(int); is {
		one.status = own
	}
	return value, one, true
}

// askedAs finds the value that a provider may spell in another case.
func askedAs(name string, values []any) (string, bool) {
	if slices.Contains(values, any(name)) {
		return name, true
	}
	at := slices.IndexFunc(values, func(v any) bool { return strings.EqualFold(fmt.Sprint(v), name) })
	if at < 0 {
		return "", false
	}
	return fmt.Sprint(values[at]), true
}
