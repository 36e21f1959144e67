package source

import (
	"context"
	"fmt"

	"github.com/enrichgate/enrichgate/enrich"
)

// usageIn reads the provider's own count out of an answer. What cannot be read
// is left out: a count that is missing costs nothing, a wrong one would.
func (d *Definition) usageIn(ctx context.Context, x *exchange, in scope) []enrich.Usage {
	if d.usage == nil || d.report != nil {
		return nil
	}
	all, err := d.readUsage(ctx, x, in)
	if err != nil {
		return nil
	}
	return all
}

func (d *Definition) readUsage(ctx context.Context, x *exchange, in scope) ([]enrich.Usage, error) {
	yields, err := d.usage.run(ctx, x.input, in)
	if err != nil {
		return nil, err
	}
	var all []enrich.Usage
	for _, y := range yields {
		if list, ok := y.([]any); ok {
			for _, e := range list {
				all = appendUsage(all, e)
			}
			continue
		}
		all = appendUsage(all, y)
	}
	return all, nil
}

// appendUsage takes {window, limit, used or remaining, resets_at}, and bucket
// when it is that of one.
func appendUsage(all []enrich.Usage, v any) []enrich.Usage {
	in, err := newIntent(v)
	if err != nil {
		return all
	}
	u := enrich.Usage{Window: in.text("window"), Limit: -1, Used: -1, ResetsAt: in.time("resets_at")}
	if limit, ok := in.number("limit"); ok && limit >= 0 {
		u.Limit = int64(limit)
	}
	if used, ok := in.number("used"); ok && used >= 0 {
		u.Used = int64(used)
	} else if remaining, ok := in.number("remaining"); ok && u.Limit >= 0 {
		u.Used = max(0, u.Limit-int64(remaining))
	}
	bucket := in.text("bucket")
	switch u.Window {
	case "second", "minute", "hour", "day", "week", "month":
		if bucket != "" {
			u.Window = bucket + "/" + u.Window
		}
		if u.Used >= 0 && len(in.done()) == 0 {
			return append(all, u)
		}
	}
	return all
}

// Usage asks the provider for its own count, by a request that costs nothing. A
// source that cannot be asked gives none.
func (s *Source) Usage(ctx context.Context) ([]enrich.Usage, error) {
	if s.d.report == nil {
		return nil, nil
	}
	in := scope{params: s.params}
	req, err := s.request(ctx, s.d.report, nil, in)
	if err != nil {
		return nil, s.failure(err.Error())
	}
	reply := s.client.Do(ctx, req)
	if reply.Err != nil {
		return nil, s.failure(reply.Err.Error())
	}
	x := newExchange(reply.Status, reply.Header, reply.Body)
	if reply.Status != 200 || !x.json {
		return nil, s.failed(ctx, x, in, reply, fmt.Errorf("when it was asked for its usage"))
	}
	all, err := s.d.readUsage(context.WithoutCancel(ctx), x, in)
	if err != nil {
		return nil, s.failure(err.Error())
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s's usage was not understood", s.d.Title())
	}
	return all, nil
}
