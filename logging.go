package main

import (
	"io"
	"os"
	"time"

	"github.com/mattn/go-isatty"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"userapi/config"
	"userapi/models"
)

// newLogger returns a logger that writes to out without ever waiting for it, from a level on that may
// change, and the writer behind it, which the caller closes last.
func newLogger(format string, level zap.AtomicLevel, out io.Writer) (*zap.Logger, *logWriter) {
	shape := zap.NewProductionEncoderConfig()
	shape.TimeKey = "time"
	shape.EncodeTime = encodeTime
	encoder := zapcore.NewJSONEncoder(shape)
	if format == config.LogConsole || format == config.LogAuto && isTerminal(out) {
		shape.EncodeTime = encodeLocalTime
		shape.EncodeLevel = zapcore.CapitalColorLevelEncoder
		encoder = zapcore.NewConsoleEncoder(shape)
	}
	writer := newLogWriter(out)
	log := zap.New(zapcore.NewCore(encoder, zapcore.AddSync(writer), level))
	writer.onDrop(func(lines int) { log.Warn("log lines dropped: the output is too slow", zap.Int("lines", lines)) })
	return log, writer
}

// encodeTime writes times as the API does: microseconds always, so that lines sort as text.
func encodeTime(t time.Time, out zapcore.PrimitiveArrayEncoder) {
	out.AppendString(models.TimestampOf(t).String())
}

// encodeLocalTime writes times for somebody who looks at a clock beside the screen.
func encodeLocalTime(t time.Time, out zapcore.PrimitiveArrayEncoder) {
	out.AppendString(t.Local().Format("15:04:05.000"))
}

func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	return ok && isatty.IsTerminal(file.Fd())
}
