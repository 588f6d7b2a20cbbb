/* Rows become entries of Cloud Logging, as outrider/exporters/stackdriver/encode.py describes them:

       {"insertId":…,"timestamp":…,"severity":…,"textPayload":…,"logName":… + the stream's constant part

   A line of JSON gives its special fields (fields.py) to the entry where each is what it should be; its other
   members are copied as they are written. Where one is not, where Python has a rule for the line (labels, JSON behind
   white space), or where it is no UTF-8, of another time or too long, it is a misfit. */

#include "native.h"

#define PREFIX "logging.googleapis.com/"

/* What an entry takes of a line besides its payload; those that are not there are empty. */
struct found {
    struct span severity, time, http, trace, span, sampled, source, operation;
    struct span message;
    size_t in_payload;
};

enum kind { TEXT, TRUTH, SIZE, STATUS, LATENCY };

struct field {
    const char *key; /* with its quotation marks */
    size_t n;
    enum kind kind;
};

#define FIELD(key, kind) {"\"" key "\"", sizeof(key) + 1, kind}
static const struct field HTTP_REQUEST[] = {
    FIELD("requestMethod", TEXT),
    FIELD("requestUrl", TEXT),
    FIELD("status", STATUS),
    FIELD("latency", LATENCY),
    FIELD("remoteIp", TEXT),
    FIELD("userAgent", TEXT),
    FIELD("referer", TEXT),
    FIELD("protocol", TEXT),
    FIELD("serverIp", TEXT),
    FIELD("requestSize", SIZE),
    FIELD("responseSize", SIZE),
    FIELD("cacheFillBytes", SIZE),
    FIELD("cacheLookup", TRUTH),
    FIELD("cacheHit", TRUTH),
    FIELD("cacheValidatedWithOriginServer", TRUTH),
    {NULL, 0, TEXT},
};
static const struct field SOURCE_LOCATION[] = {
    FIELD("file", TEXT),
    FIELD("line", SIZE),
    FIELD("function", TEXT),
    {NULL, 0, TEXT},
};
static const struct field OPERATION[] = {
    FIELD("id", TEXT), FIELD("producer", TEXT), FIELD("first", TRUTH), FIELD("last", TRUTH), {NULL, 0, TEXT},
};

static int is_string(struct span value) { return value.p[0] == '"'; }

static int is_container(struct span value) { return value.p[0] == '{' || value.p[0] == '['; }

static int is_truth(struct span value) { return value.p[0] == 't' || value.p[0] == 'f'; }

/* The inside of a string. */
static struct span inside(struct span value) { return (struct span){value.p + 1, value.n - 2}; }

/* `12s`, `0.104s`: seconds as a google.protobuf.Duration has them. */
static int is_latency(struct span text) {
    size_t i = 0, whole;
    while (i < text.n && digit(text.p[i]))
        i++;
    whole = i;
    if (whole == 0 || whole > 12)
        return 0;
    if (i < text.n && text.p[i] == '.') {
        i++;
        while (i < text.n && digit(text.p[i]))
            i++;
        if (i == whole + 1 || i > whole + 10)
            return 0;
    }
    return i + 1 == text.n && text.p[i] == 's';
}

/* Writes a member's value as its `kind`; NULL if it is none. 64-bit integers are strings in proto3 JSON. */
static byte *of_kind(byte *out, struct span value, enum kind kind) {
    int string = is_string(value);
    switch (kind) {
    case TEXT:
        return string ? put(out, value) : NULL;
    case TRUTH:
        return is_truth(value) ? put(out, value) : NULL;
    case STATUS:
        return is_integer(value, 9) ? put(out, value) : NULL;
    case LATENCY:
        return string && is_latency(inside(value)) ? put(out, value) : NULL;
    case SIZE:
        if (string)
            return is_integer(inside(value), 18) ? put(out, value) : NULL;
        if (!is_integer(value, 18))
            return NULL;
        *out++ = '"';
        out = put(out, value);
        *out++ = '"';
        return out;
    }
    return NULL;
}

/* Writes the object `value` if it has known `fields` only, each of its kind, and one at least; else NULL. */
static byte *message(byte *out, struct span value, const struct field *fields) {
    struct members found;
    if (value.p[0] != '{' || !object(value, &found) || found.count == 0)
        return NULL;
    for (size_t i = 0; i < found.count; i++) {
        struct member *m = &found.of[i];
        const struct field *field = fields;
        while (field->key != NULL && !is(m->key, field->key, field->n))
            field++;
        if (field->key == NULL)
            return NULL;
        *out++ = i == 0 ? '{' : ',';
        out = put(out, m->key);
        *out++ = ':';
        if ((out = of_kind(out, m->value, field->kind)) == NULL)
            return NULL;
    }
    *out++ = '}';
    return out;
}

/* The severity that a string names, in any case; empty if it names none. `names` is a row of names, each followed by
   what it stands for, both with a byte for their length before them. */
static struct span named(struct span value, struct span names) {
    byte word[16];
    struct span text = inside(value);
    if (text.n == 0 || text.n > sizeof word)
        return (struct span){0};
    for (size_t i = 0; i < text.n; i++)
        word[i] = text.p[i] >= 'a' && text.p[i] <= 'z' ? (byte)(text.p[i] - 32) : text.p[i];
    for (const byte *p = names.p, *end = names.p + names.n; p < end;) {
        const byte *meaning = p + 1 + p[0];
        if (p[0] == text.n && p[1] == word[0] && memcmp(p + 1, word, text.n) == 0)
            return (struct span){meaning + 1, meaning[0]};
        p = meaning + 1 + meaning[0];
    }
    return (struct span){0};
}

/* The severity that a number names, on LogSeverity's own scale; empty if it is no plain one. */
static struct span numbered(struct span value) {
    static const char *const hundreds[] = {"DEFAULT", "DEBUG",    "INFO",  "NOTICE",   "WARNING",
                                           "ERROR",   "CRITICAL", "ALERT", "EMERGENCY"};
    size_t hundred = 0;
    if (!is_integer(value, 18) || value.p[0] == '-')
        return (struct span){0};
    for (size_t i = 0; i + 2 < value.n && hundred < 8; i++)
        hundred = hundred * 10 + (size_t)(value.p[i] - '0');
    const char *meaning = hundreds[hundred < 8 ? hundred : 8];
    return (struct span){(const byte *)meaning, strlen(meaning)};
}

static struct span severity(struct span value, struct span names) {
    return is_string(value) ? named(value, names) : numbered(value);
}

/* Whether a time is one that Cloud Logging takes as it is. `latest` is text, and so compared. */
static int is_taken(struct span time, struct span latest, struct day *known) {
    return utc(time, known) && memcmp(time.p, latest.p, latest.n) < 0;
}

/* Looks what the keys of the special fields have, and takes what moves out of the `members`; 0 if one of them wants a
   closer look. */
static int take(struct members *members, struct found *found, const struct google *to, struct day *known) {
    struct span level = {0};
    for (size_t i = 0; i < members->count; i++) {
        struct span key = members->of[i].key, *value = &members->of[i].value, *place = NULL;
        if (IS(key, "\"severity\"")) {
            if ((found->severity = severity(*value, to->names)).n == 0)
                return 0;
            value->n = 0;
        } else if (IS(key, "\"level\"")) {
            if (is_container(*value))
                return 0;
            level = *value;
        } else if (IS(key, "\"time\"")) {
            if (is_string(*value)) {
                if (!is_taken(inside(*value), to->latest, known))
                    return 0;
                found->time = inside(*value);
                value->n = 0;
            }
        } else if (IS(key, "\"timestamp\"")) {
            if (is_container(*value))
                return 0;
        } else if (IS(key, "\"timestampSeconds\"") || IS(key, "\"timestampNanos\""))
            return 0;
        else if (IS(key, "\"message\""))
            found->message = *value;
        else if (IS(key, "\"httpRequest\""))
            place = &found->http;
        else if (key.n > sizeof PREFIX && memcmp(key.p + 1, PREFIX, sizeof PREFIX - 1) == 0) {
            if (IS(key, "\"" PREFIX "trace\""))
                place = &found->trace;
            else if (IS(key, "\"" PREFIX "spanId\""))
                place = &found->span;
            else if (IS(key, "\"" PREFIX "trace_sampled\""))
                place = &found->sampled;
            else if (IS(key, "\"" PREFIX "sourceLocation\""))
                place = &found->source;
            else if (IS(key, "\"" PREFIX "operation\""))
                place = &found->operation;
            else if (IS(key, "\"" PREFIX "labels\"") || IS(key, "\"" PREFIX "insertId\"") ||
                     IS(key, "\"" PREFIX "severity\""))
                return 0;
        }
        if (place != NULL) {
            *place = *value;
            value->n = 0;
        }
        found->in_payload += value->n != 0;
    }
    if (found->severity.n == 0 && level.n != 0 && level.p[0] != 'n' &&
        (found->severity = severity(level, to->names)).n == 0)
        return 0;
    return found->in_payload > 0;
}

/* Writes a trace: an id gets the `prefix`. With an escape in it nobody here knows whether it is one. */
static byte *trace(byte *out, struct span value, struct span prefix) {
    struct span id = inside(value);
    if (!is_string(value) || id.n == 0 || memchr(id.p, '\\', id.n) != NULL)
        return NULL;
    int whole = id.n == 32;
    for (size_t i = 0; whole && i < id.n; i++)
        whole = digit(id.p[i]) || ((id.p[i] | 0x20) >= 'a' && (id.p[i] | 0x20) <= 'f');
    if (!whole)
        return put(out, value);
    *out++ = '"';
    out = put(put(out, prefix), id);
    *out++ = '"';
    return out;
}

/* Writes the fields of the entry that are not its payload; NULL if one of them is not what it should be. */
static byte *fields(byte *out, const struct found *found, const struct google *to) {
    if (found->http.n && (out = message(PUT(out, ",\"httpRequest\":"), found->http, HTTP_REQUEST)) == NULL)
        return NULL;
    if (found->trace.n && (out = trace(PUT(out, ",\"trace\":"), found->trace, to->trace)) == NULL)
        return NULL;
    if (found->span.n) {
        if (!is_string(found->span) || found->span.n == 2)
            return NULL;
        out = put(PUT(out, ",\"spanId\":"), found->span);
    }
    if (found->sampled.n) {
        if (!is_truth(found->sampled))
            return NULL;
        out = put(PUT(out, ",\"traceSampled\":"), found->sampled);
    }
    if (found->source.n && (out = message(PUT(out, ",\"sourceLocation\":"), found->source, SOURCE_LOCATION)) == NULL)
        return NULL;
    if (found->operation.n && (out = message(PUT(out, ",\"operation\":"), found->operation, OPERATION)) == NULL)
        return NULL;
    return out;
}

static byte *payload(byte *out, const struct members *members, const struct found *found) {
    if (found->in_payload == 1 && found->message.n && is_string(found->message))
        return put(PUT(out, "\"textPayload\":"), found->message);
    out = PUT(out, "\"jsonPayload\":");
    byte before = '{';
    for (size_t i = 0; i < members->count; i++) {
        const struct member *m = &members->of[i];
        if (m->value.n == 0)
            continue;
        *out++ = before;
        out = put(out, m->key);
        *out++ = ':';
        out = put(out, m->value);
        before = ',';
    }
    *out++ = '}';
    return out;
}

static byte *head(byte *out, const struct row *row, struct span time, struct span severity, const struct google *to) {
    out = identity(PUT(out, "{\"insertId\":\""), to->said.prefix, row->at);
    if (time.n)
        out = put(PUT(out, "\",\"timestamp\":\""), time);
    out = put(PUT(out, "\",\"severity\":\""), severity);
    return PUT(out, "\",");
}

static byte *text_entry(byte *out, const struct row *row, struct span content, struct span time,
                        const struct google *to) {
    out = PUT(head(out, row, time, to->said.level[row->std], to), "\"textPayload\":\"");
    if ((out = escape(out, content.p, content.p + content.n)) == NULL)
        return NULL;
    *out++ = '"';
    return out;
}

static byte *json_entry(byte *out, const struct row *row, struct span content, struct span time,
                        const struct google *to, struct day *known) {
    struct members members;
    struct found found = {.severity = {0}};
    if (!object(content, &members) || !take(&members, &found, to, known))
        return NULL;
    struct span severity = found.severity.n ? found.severity : to->said.level[row->std];
    out = head(out, row, found.time.n ? found.time : time, severity, to);
    return fields(payload(out, &members, &found), &found, to);
}

static byte *klog_entry(byte *out, const struct row *row, struct span content, struct span time,
                        const struct google *to) {
    struct klog said;
    if (!klog(content, &said))
        return NULL;
    out = PUT(head(out, row, time, said.severity, to), "\"jsonPayload\":{\"message\":\"");
    if ((out = escape(out, said.message.p, said.message.p + said.message.n)) == NULL)
        return NULL;
    out = PUT(put(PUT(out, "\",\"pid\":\""), said.pid), "\"},\"sourceLocation\":{\"file\":\"");
    if ((out = escape(out, said.file.p, said.file.p + said.file.n)) == NULL)
        return NULL;
    return PUT(put(PUT(out, "\",\"line\":\""), said.line), "\"}");
}

enum { ORDINARY, OBJECT, KLOG, WHITE };

/* By its first two bytes: it may be JSON, klog's, or JSON behind white space, for which Python has rules. */
static int begins_like(struct span content) {
    if (content.n > 0 && content.p[0] == '{')
        return OBJECT;
    if (content.n < 2)
        return content.n == 1 && strchr(" \t\r", content.p[0]) != NULL ? WHITE : ORDINARY;
    byte a = content.p[0], b = content.p[1];
    if (a == ' ' || a == '\t' || a == '\r' || a == '\n')
        return b == '{' || b == ' ' || b == '\t' || b == '\r' || b == '\n' ? WHITE : ORDINARY;
    return digit(b) && (a == 'I' || a == 'W' || a == 'E' || a == 'F' || a == 'D') ? KLOG : ORDINARY;
}

static byte *entry(byte *out, const struct row *row, const byte *chunk, const void *what, struct day *known) {
    const struct google *to = what;
    struct span content = {chunk + row->content, row->length}, time = {chunk + row->time, row->time_length};
    if (time.n == 0 ? !to->timeless || row->std == NO_STD : !is_taken(time, to->latest, known))
        return NULL;
    switch (row->std == NO_STD ? ORDINARY : begins_like(content)) {
    case ORDINARY:
        out = text_entry(out, row, content, time, to);
        break;
    case OBJECT:
        out = json_entry(out, row, content, time, to, known);
        break;
    case KLOG:
        out = klog_entry(out, row, content, time, to);
        break;
    default:
        return NULL;
    }
    return out == NULL ? NULL : PUT(put(PUT(out, ",\"logName\":"), to->said.last[row->std]), "}");
}

void google_entries(struct job *job, const void *what) {
    const struct google *to = what;
    write_entries(job, entry, to, GOOGLE_LONGEST, to->trace.n + said_size(&to->said));
}
