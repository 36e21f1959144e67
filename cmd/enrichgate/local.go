package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/enrichgate/enrichgate/enrich/httpapi"
)

// daemon asks the process that holds the data directory, over its socket.
type daemon struct {
	holder holder
	client *http.Client
}

// daemonOf is the way to the holder of a directory. It fails with the reason
// why the holder cannot be asked.
func daemonOf(held *heldError) (*daemon, error) {
	if held.by.Socket == "" {
		return nil, held
	}
	var d net.Dialer
	return &daemon{holder: held.by, client: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return d.DialContext(ctx, "unix", held.by.Socket)
		},
	}, Timeout: 5 * time.Minute}}, nil
}

// get asks for a path; a problem comes back as httpapi.Details.
func (d *daemon) get(ctx context.Context, path string, query url.Values, accept string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://enrichgate"+path+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", accept)
	resp, err := d.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking the running enrichgate (process %d): %w", d.holder.PID, withoutAddress(err))
	}
	body, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		var p httpapi.Details
		if err := json.Unmarshal(body, &p); err != nil || p.Title == "" {
			return nil, fmt.Errorf("the running enrichgate answered HTTP %d", resp.StatusCode)
		}
		return nil, p
	}
	return body, nil
}
