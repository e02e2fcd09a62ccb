// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"math/rand"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// babbledKey is where the store tells how much was written so far: "LINES BYTES".
const babbledKey = "babbled"

// babbled counts what was written, on all streams together.
var babbled struct{ lines, bytes int64 }

// babble writes what no host expects, as fast as it is taken: on the process's own streams, and over gRPC's. It begins
// at the host's first call and ends with the time asked for.
func (o *options) babble() {
	if o.babbleFor <= 0 {
		return
	}
	for number, file := range []*os.File{o.stdout, o.stderr, os.Stdout, os.Stderr} {
		go babbleOn(file, rand.New(rand.NewSource(int64(number))), time.Now().Add(o.babbleFor))
	}
	go func() {
		for {
			o.store.set(babbledKey, fmt.Sprint(atomic.LoadInt64(&babbled.lines), " ", atomic.LoadInt64(&babbled.bytes)))
			time.Sleep(100 * time.Millisecond)
		}
	}()
}

func babbleOn(file *os.File, random *rand.Rand, end time.Time) {
	var buffer bytes.Buffer
	for time.Now().Before(end) {
		buffer.Reset()
		for i := 0; i < 100; i++ {
			buffer.WriteString(babbleLines[random.Intn(len(babbleLines))](random))
			if random.Intn(20) > 0 { // now and then what follows goes on with the same line
				buffer.WriteByte('\n')
			}
		}
		if _, err := file.Write(buffer.Bytes()); err != nil {
			return
		}
		atomic.AddInt64(&babbled.lines, int64(bytes.Count(buffer.Bytes(), []byte{'\n'})))
		atomic.AddInt64(&babbled.bytes, int64(buffer.Len()))
	}
}

// babbleLines are the kinds of lines, each as likely as the next.
var babbleLines = []func(*rand.Rand) string{
	randomBytes, randomBytes,
	func(r *rand.Rand) string { return randomJSON(r, 6) },
	func(r *rand.Rand) string { return "{" + randomBytes(r) },
	randomLog, randomLog, randomLog,
	nested, longLine,
	func(r *rand.Rand) string { log := randomLog(r); return log[:r.Intn(len(log)+1)] },
	func(*rand.Rand) string { return "" },
	func(*rand.Rand) string { return "1|1|unix|/../../tmp/other|grpc|" },
}

func randomBytes(r *rand.Rand) string {
	text := make([]byte, r.Intn(300))
	for i := range text {
		text[i] = byte(r.Intn(256))
	}
	return string(text)
}

// strangeValues are JSON values, and texts that only look like some.
var strangeValues = []string{
	"null", "true", "0", "-0", "1e400", "-1e-400", "9223372036854775807", "-9223372036854775808", "18446744073709551615",
	"1234567890123456789012345678901234567890", "0.1234567890123456789012345678901234567890", "NaN", "Infinity", "01",
	`""`, `"\u0000"`, `"\ud800"`, `"\udc00\ud800"`, `"\u001b]0;title\u0007\u001b[2J"`, "\"\xff\xfe\x80\"", "\"\x1b[31m\"",
	`"error"`, `"ERROR"`, `"warn "`, `"info"`, `"2026-01-01T00:00:00Z"`, `"\x"`, "[]", "{}", `[[],{},[null]]`, `{"":""}`,
	`{"a":1,"a":2}`, "[,]", "{:}", "'x'", "undefined",
}

func randomJSON(r *rand.Rand, depth int) string {
	kind := r.Intn(4)
	if depth == 0 || kind < 2 {
		return strangeValues[r.Intn(len(strangeValues))]
	}
	var parts []string
	for i := r.Intn(5); i > 0; i-- {
		value := randomJSON(r, depth-1)
		if kind == 2 {
			value = fmt.Sprintf("%q:%s", randomName(r), value)
		}
		parts = append(parts, value)
	}
	if kind == 2 {
		return "{" + strings.Join(parts, ",") + "}"
	}
	return "[" + strings.Join(parts, ",") + "]"
}

var names = []string{"@level", "@module", "@message", "@timestamp", "@caller", "", "__index", "1", "a b", "\x1b[0m", "ü"}

func randomName(r *rand.Rand) string {
	return names[r.Intn(len(names))]
}

// randomLog is a line of hclog's whose fields hold what they never hold.
func randomLog(r *rand.Rand) string {
	message := `"a message"`
	if r.Intn(2) == 0 {
		message = randomJSON(r, 2)
	}
	level := `"debug"`
	if r.Intn(2) == 0 {
		level = randomJSON(r, 2)
	}
	return fmt.Sprintf(`{"@level":%s,"@message":%s,"@module":%s,"@timestamp":%s,%q:%s}`, level, message,
		randomJSON(r, 1), randomJSON(r, 1), randomName(r), randomJSON(r, 4))
}

func nested(r *rand.Rand) string {
	depth := 1 << uint(r.Intn(16))
	open, end := "[", "]"
	if r.Intn(2) == 0 {
		open, end = `{"a":`, "}"
	}
	text := strings.Repeat(open, depth) + "1"
	if r.Intn(2) == 0 {
		text += strings.Repeat(end, depth)
	}
	return `{"@level":"info","@message":"deep","value":` + text + "}"
}

// longLine is rarely as long as it may be: other kinds are to have their turn.
func longLine(r *rand.Rand) string {
	size := 1 << uint(r.Intn(18))
	if r.Intn(500) == 0 {
		size = 8 << 20
	}
	if r.Intn(2) == 0 {
		return strings.Repeat("x", size)
	}
	return `{"@level":"info","@message":"` + strings.Repeat(`\u0001`, size/6) + `"}`
}
