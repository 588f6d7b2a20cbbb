/* What the parts of the native core share.

   A chunk of a log stays one piece of memory. `scan` (lines.c) finds where its lines and their parts stand, and writes
   a row for each; the encoders (google.c, datadog.c) go through rows and write entries. A line that an encoder will not
   judge is a misfit: it is left to Python, which has every rule there is. So what is here may be strict, and short.

   Nothing but module.c allocates, and nothing keeps state or trusts a byte of a line. Rows are trusted: they are made
   by `scan` or checked by module.c. */

#ifndef OUTRIDER_NATIVE_H
#define OUTRIDER_NATIVE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t byte;

struct span {
    const byte *p;
    size_t n;
};
#define SPAN(text) ((struct span){(const byte *)(text), sizeof(text) - 1})

/* A record: its position, and where in the chunk its time and its content stand. outrider/model/table.py reads and
   writes the same 24 bytes. */
struct row {
    uint64_t at;
    uint32_t time;
    uint32_t content;
    uint32_t length;
    uint8_t time_length;
    uint8_t std;
    uint8_t flags;
    uint8_t unused;
};

_Static_assert(sizeof(struct row) == 24, "as in outrider/model/table.py");

enum { NO_STD, STDOUT, STDERR, STDS };
enum { PART = 1, SECOND = 2 }; /* the line goes on; it may be the second of a stack trace */

#define TURN_BITS 48
#define OFFSET_MASK ((UINT64_C(1) << TURN_BITS) - 1)
#define MAX_OFFSET (UINT64_C(1) << 40) /* ten hexadecimal digits */

/* What is to be done: rows from `begin` to `end` become entries in `out`, separated by commas, as long as they are
   of one turn and there is room. `begin` is left at the row after the last one, `out` where the entries end. */
struct job {
    const byte *chunk;
    const struct row *rows;
    size_t begin, end;
    byte *out, *start, *limit;
    size_t count, empty, timeless; /* entries written, lines of which none is made, entries of lines without a time */
    int (*misfit)(void *who, size_t row, size_t offset);
    void *who;
};

/* The constant parts of a stream's entries. `level`: severity or status of a line, by its std; `last`: what its entry
   ends with. */
struct said {
    struct span prefix, level[STDS], last[STDS];
};

/* lines.c */
typedef ptrdiff_t scanner(const byte *chunk, size_t n, uint64_t at, const byte *screen, struct row *rows, size_t room);
scanner scan, scan_plain;

/* times.c: a time in UTC, `2026-05-16T09:19:06.315692671Z`. */
struct day {
    byte text[10];
    int64_t number;
};
size_t time_length(const byte *p, const byte *end);
int utc(struct span time, struct day *known);
int64_t millis(struct span time, const struct day *day);

/* text.c */
byte *escape(byte *out, const byte *p, const byte *end);
size_t utf8(const byte *p, const byte *end);
byte *identity(byte *out, struct span prefix, uint64_t at);
/* How many of the eight bytes at `p` come before the first one that a JSON string cannot have as it is, or that
   begins a character of several bytes. A byte above one that is found may be found wrongly, by the borrow; it is not
   looked at. */
static inline size_t plain(const byte *p) {
    const uint64_t each = UINT64_C(0x0101010101010101);
    uint64_t word, quote, slash;
    memcpy(&word, p, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    quote = word ^ (each * '"'), slash = word ^ (each * '\\');
    word = (word | (word - each * 0x20) | (quote - each) | (slash - each)) & (each * 0x80);
    return word == 0 ? 8 : (size_t)__builtin_ctzll(word) / 8;
}

/* json.c */
#define MAX_MEMBERS 64
#define MAX_DEPTH 30
struct member {
    struct span key, value; /* as they are written: the key with its quotation marks */
};
struct members {
    struct member of[MAX_MEMBERS];
    size_t count;
};
int object(struct span text, struct members *found);
int is_integer(struct span text, size_t digits);

/* klog.c */
struct klog {
    struct span severity, pid, file, line, message;
};
int klog(struct span line, struct klog *found);

/* entries.c. An encoder writes the entry of a row to `out` and returns where it ends, `out` itself if the line is
   empty and there is to be none, or NULL if it is a misfit. It has room for six times its content (up to `longest`,
   beyond which lines are misfits) and what is `said`. `known` is a day that was found in the calendar. */
typedef byte *encoder(byte *out, const struct row *row, const byte *chunk, const void *to, struct day *known);
void write_entries(struct job *job, encoder *encode, const void *to, size_t longest, size_t said);
size_t said_size(const struct said *said);

/* google.c, datadog.c */
#define GOOGLE_LONGEST (16 * 1024)
#define DATADOG_LONGEST 150000
struct google {
    struct said said;
    struct span trace, latest, names; /* a trace's prefix; the bound of times; names of severities (see google.c) */
    int timeless;                     /* a line without a time becomes an entry without one, and is no misfit */
};
struct datadog {
    struct said said;
    int64_t from, to, now; /* milliseconds; `now` is for lines without a time, which are misfits if it is negative */
};
void google_entries(struct job *job, const void *to);
void datadog_entries(struct job *job, const void *to);

static inline byte *put(byte *out, struct span what) {
    memcpy(out, what.p, what.n);
    return out + what.n;
}
#define PUT(out, text) ((byte *)memcpy(out, text, sizeof(text) - 1) + sizeof(text) - 1)

static inline int is(struct span what, const char *text, size_t n) {
    return what.n == n && memcmp(what.p, text, n) == 0;
}
#define IS(what, text) is(what, text, sizeof(text) - 1)

static inline int digit(byte c) { return (byte)(c - '0') < 10; }

#endif
