/* Drives the core without Python, for sanitizers (test_sanitized.py) and for libFuzzer:

       clang -g -O1 -fsanitize=fuzzer,address,undefined -DLIBFUZZER -Ioutrider/native tests/native/fuzz.c \
           outrider/native/{lines,times,text,json,klog,entries,google,datadog}.c -o /tmp/fuzz

   An input is a byte for each of what follows, then the chunk: how many rows are made up of the chunk's last bytes, and
   the room for entries. A chunk that `scan` does not take gets a row for each line, so that encoders see it as well.
   All memory is as large as it has to be and no larger, so that each byte beyond is found. */

#include <stdlib.h>

#include "native.h"

#define MAX_ROWS 4096

static const byte NAMES[] = "\5ERROR\5ERROR\3ERR\5ERROR\4INFO\4INFO\1I\4INFO\4WARN\7WARNING\7DEFAULT\7DEFAULT";
static const char *const TIME = "2026-05-16T09:19:06.315692671Z";

static size_t misfits;

static int count_misfit(void *who, size_t row, size_t offset) {
    (void)who, (void)row, (void)offset;
    misfits++;
    return misfits % 1000 != 0; /* as if there was no memory for it */
}

static void *copy(const void *what, size_t n) {
    void *made = malloc(n > 0 ? n : 1);
    if (made == NULL)
        abort();
    memcpy(made, what, n);
    return made;
}

static struct span span(const void *what, size_t n) { return (struct span){copy(what, n), n}; }

/* A row for each line of a chunk of any shape, whose time is put behind it. */
static size_t lines(const byte *chunk, size_t n, struct row *rows) {
    size_t count = 0;
    for (size_t begin = 0; begin < n && count < MAX_ROWS; count++) {
        const byte *feed = memchr(chunk + begin, '\n', n - begin);
        size_t length = feed == NULL ? n - begin : (size_t)(feed - chunk) - begin;
        rows[count] = (struct row){.at = begin,
                                   .time = (uint32_t)n,
                                   .content = (uint32_t)begin,
                                   .length = (uint32_t)length,
                                   .time_length = (uint8_t)strlen(TIME),
                                   .std = STDOUT};
        begin += length + 1;
    }
    return count;
}

/* Rows of any content that module.c admits. */
static size_t made_up(const byte *p, size_t count, size_t n, struct row *rows) {
    for (size_t i = 0; i < count; i++) {
        struct row *row = &rows[i];
        memcpy(row, p + i * sizeof *row, sizeof *row);
        row->content %= (uint32_t)n + 1;
        row->length %= (uint32_t)n + 1 - row->content;
        row->time %= (uint32_t)n + 1;
        row->time_length %= n + 1 - row->time < 256 ? (uint32_t)n + 1 - row->time : 256;
        row->std %= STDS;
    }
    return count;
}

static void encode(void (*encoder)(struct job *, const void *), const void *to, const byte *chunk,
                   const struct row *rows, size_t count, size_t room) {
    byte *out = malloc(room > 0 ? room : 1);
    if (out == NULL)
        abort();
    for (size_t begin = 0; begin < count;) {
        struct job job = {.chunk = chunk,
                          .rows = rows,
                          .begin = begin,
                          .end = count,
                          .out = out,
                          .start = out,
                          .limit = out + room,
                          .misfit = count_misfit};
        encoder(&job, to);
        if (job.out > job.limit || job.begin < begin || job.begin > count)
            abort();
        begin = job.begin > begin ? job.begin : begin + 1;
    }
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 3)
        return 0;
    size_t others = data[0] % 8, room = (size_t)data[1] * 1024;
    data += 2, size -= 2;
    others = others * sizeof(struct row) < size ? others : 0;
    size_t n = size - others * sizeof(struct row);

    byte *chunk = copy(data, n);
    scanner *find = data[0] & 2 ? scan_plain : scan;
    size_t most = n + 1;
    struct row *rows = malloc(most * sizeof *rows);
    byte screen[8192];
    memset(screen, 0x5A, sizeof screen);
    ptrdiff_t found = find(chunk, n, (uint64_t)data[0] << 40, data[0] & 1 ? screen : NULL, rows, most);
    struct row *some = malloc((MAX_ROWS + 8) * sizeof *some);
    size_t count = 0;
    if (found >= 0)
        memcpy(some, rows, (count = (size_t)found < MAX_ROWS ? (size_t)found : MAX_ROWS) * sizeof *rows);
    else {
        count = lines(chunk, n, some);
        byte *longer = malloc(n + strlen(TIME));
        memcpy(longer, chunk, n), memcpy(longer + n, TIME, strlen(TIME));
        free(chunk);
        chunk = longer;
    }
    free(rows);
    count += made_up(data + n, others, n, some + count);
    rows = copy(some, count * sizeof *rows);
    free(some);

    struct said said = {span("stream-generation-", 18), {{0}}, {{0}}};
    for (int std = 0; std < STDS; std++)
        said.level[std] = span("INFO", 4), said.last[std] = span("\"projects/p/logs/stdout\"\n", 24);
    struct google google = {said, span("projects/p/traces/", 18), span("2026-05-17T09:19:06", 19),
                            span(NAMES, sizeof NAMES - 1), data[0] & 4};
    struct datadog datadog = {said, INT64_C(1778900000000), INT64_C(1778950000000),
                              data[0] & 4 ? INT64_C(1778923146315) : -1};
    encode(google_entries, &google, chunk, rows, count, room);
    encode(datadog_entries, &datadog, chunk, rows, count, room);

    for (int std = 0; std < STDS; std++)
        free((void *)said.level[std].p), free((void *)said.last[std].p);
    free((void *)said.prefix.p), free((void *)google.trace.p), free((void *)google.latest.p),
        free((void *)google.names.p);
    free(rows);
    free(chunk);
    return 0;
}

#ifndef LIBFUZZER
#include <stdio.h>

/* Inputs from the standard input, each with its length, 32 bits in the machine's order, before it. */
int main(void) {
    uint32_t n;
    size_t inputs = 0;
    for (; fread(&n, sizeof n, 1, stdin) == 1; inputs++) {
        byte *data = malloc(n > 0 ? n : 1);
        if (data == NULL || fread(data, 1, n, stdin) != n)
            return 1;
        LLVMFuzzerTestOneInput(data, n);
        free(data);
    }
    printf("%zu inputs, %zu misfits\n", inputs, misfits);
    return 0;
}
#endif
