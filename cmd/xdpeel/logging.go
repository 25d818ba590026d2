package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/time/rate"
)

// logFlags are the flags that say how a daemon logs.
type logFlags struct {
	format string
	level  slog.Level
}

func (f *logFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.format, "log-format", "text", "`format` of the log on stderr: text or json")
	flags.TextVar(&f.level, "log-level", slog.LevelInfo, "least `level` that is logged: debug, info, warn or error")
}

// logger returns what the flags ask for.
func (f *logFlags) logger(w io.Writer) (*slog.Logger, error) {
	options := &slog.HandlerOptions{Level: f.level}
	var handler slog.Handler
	switch f.format {
	case "text":
		handler = slog.NewTextHandler(w, options)
	case "json":
		handler = slog.NewJSONHandler(w, options)
	default:
		return nil, usageErrorf("--log-format is text or json, not %q", f.format)
	}
	return slog.New(&temperedHandler{Handler: handler, tempers: &tempers{limits: make(map[string]*temper)}}), nil
}

// How often the same message of the same part may be logged: so many at once, and
// then one in a while. What goes wrong for a thousand packets a second is said, and
// fills no disk.
const (
	logBurst    = 20
	logInterval = 10 * time.Second
)

// temperedHandler leaves out records that come too often, and says in the next one
// how many it has.
type temperedHandler struct {
	slog.Handler
	of string // the part that logs, by its attributes
	*tempers
}

// tempers are the limits, by part and message.
type tempers struct {
	mu     sync.Mutex
	limits map[string]*temper
}

type temper struct {
	limit *rate.Limiter
	kept  int // back since the last that was logged
}

// admit reports whether a record may be logged now, and how many were kept back
// before it.
func (t *tempers) admit(key string, now time.Time) (admitted bool, kept int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	limit := t.limits[key]
	if limit == nil {
		limit = &temper{limit: rate.NewLimiter(rate.Every(logInterval), logBurst)}
		t.limits[key] = limit
	}
	if !limit.limit.AllowN(now, 1) {
		limit.kept++
		return false, 0
	}
	kept, limit.kept = limit.kept, 0
	return true, kept
}

func (h *temperedHandler) Handle(ctx context.Context, record slog.Record) error {
	admitted, kept := h.admit(h.of+record.Message, record.Time)
	if !admitted {
		return nil
	}
	if kept > 0 {
		record = record.Clone()
		record.AddAttrs(slog.Int("kept_back", kept))
	}
	return h.Handler.Handle(ctx, record)
}

func (h *temperedHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &temperedHandler{h.Handler.WithAttrs(attrs), h.of + fmt.Sprint(attrs), h.tempers}
}

func (h *temperedHandler) WithGroup(name string) slog.Handler {
	return &temperedHandler{h.Handler.WithGroup(name), h.of + name, h.tempers}
}

// quietHandler logs what is wrong alone: libraries tell much.
type quietHandler struct{ slog.Handler }

func (h quietHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && h.Handler.Enabled(ctx, level)
}
