// Package logrus stands for the real one in the sample: the levels, and the text form on standard
// error that a logrus without a terminal writes.
package logrus

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

// Level orders what is logged: the lower, the graver.
type Level uint32

// The levels, with the values of the real ones.
const (
	PanicLevel Level = iota
	FatalLevel
	ErrorLevel
	WarnLevel
	InfoLevel
	DebugLevel
)

var names = [...]string{"panic", "fatal", "error", "warning", "info", "debug"}

var (
	threshold           = InfoLevel
	out       io.Writer = os.Stderr
)

// SetLevel drops everything less grave than level.
func SetLevel(level Level) { threshold = level }

// SetOutput sends the log elsewhere.
func SetOutput(w io.Writer) { out = w }

// Entry is a message in the making, with its fields already in text form.
type Entry struct{ fields string }

// WithField adds a field to the next message.
func WithField(key string, value any) *Entry { return new(Entry).WithField(key, value) }

// WithError adds an error to the next message.
func WithError(err error) *Entry { return WithField("error", err) }

// WithField adds one more field.
func (e *Entry) WithField(key string, value any) *Entry {
	return &Entry{fields: e.fields + " " + key + "=" + quoted(fmt.Sprint(value))}
}

// WithError adds an error.
func (e *Entry) WithError(err error) *Entry { return e.WithField("error", err) }

func (e *Entry) log(level Level, message string) {
	if level <= threshold {
		fmt.Fprintf(out, "time=%q level=%s msg=%s%s\n", time.Now().Format(time.RFC3339), names[level], quoted(message), e.fields)
	}
	if level == FatalLevel {
		os.Exit(1)
	}
}

// quoted puts text in quotation marks if it holds anything but letters, digits and a few marks.
func quoted(text string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-._/@^+", r)
	}
	if strings.TrimFunc(text, plain) == "" {
		return text
	}
	return strconv.Quote(text)
}

func (e *Entry) Debugf(format string, args ...any) { e.log(DebugLevel, fmt.Sprintf(format, args...)) }
func (e *Entry) Infof(format string, args ...any)  { e.log(InfoLevel, fmt.Sprintf(format, args...)) }
func (e *Entry) Warnf(format string, args ...any)  { e.log(WarnLevel, fmt.Sprintf(format, args...)) }
func (e *Entry) Errorf(format string, args ...any) { e.log(ErrorLevel, fmt.Sprintf(format, args...)) }
func (e *Entry) Fatalf(format string, args ...any) { e.log(FatalLevel, fmt.Sprintf(format, args...)) }
func (e *Entry) Debug(args ...any)                 { e.log(DebugLevel, fmt.Sprint(args...)) }
func (e *Entry) Info(args ...any)                  { e.log(InfoLevel, fmt.Sprint(args...)) }
func (e *Entry) Warn(args ...any)                  { e.log(WarnLevel, fmt.Sprint(args...)) }
func (e *Entry) Error(args ...any)                 { e.log(ErrorLevel, fmt.Sprint(args...)) }
func (e *Entry) Fatal(args ...any)                 { e.log(FatalLevel, fmt.Sprint(args...)) }

var std = new(Entry)

func Debugf(format string, args ...any) { std.Debugf(format, args...) }
func Infof(format string, args ...any)  { std.Infof(format, args...) }
func Warnf(format string, args ...any)  { std.Warnf(format, args...) }
func Errorf(format string, args ...any) { std.Errorf(format, args...) }
func Fatalf(format string, args ...any) { std.Fatalf(format, args...) }
func Debug(args ...any)                 { std.Debug(args...) }
func Info(args ...any)                  { std.Info(args...) }
func Warn(args ...any)                  { std.Warn(args...) }
func Error(args ...any)                 { std.Error(args...) }
func Fatal(args ...any)                 { std.Fatal(args...) }
