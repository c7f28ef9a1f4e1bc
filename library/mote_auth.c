#include <mailmote/auth.h>

static const mote_span_t plain = MOTE_SPAN("PLAIN");
static const mote_span_t login = MOTE_SPAN("LOGIN");

uint8_t mote_auth_mechanism(mote_span_t name)
{
    if (mote_span_equals_ignoring_case(name, plain)) {
        return MOTE_AUTH_PLAIN;
    }
    return mote_span_equals_ignoring_case(name, login) ? MOTE_AUTH_LOGIN : 0;
}

mote_span_t mote_auth_name(uint8_t mechanism)
{
    return mechanism == MOTE_AUTH_PLAIN ? plain : login;
}

static bool is_sayable(mote_span_t secret)
{
    return mote_span_find(secret, 0) == secret.size && mote_span_find(secret, '\r') == secret.size &&
           mote_span_find(secret, '\n') == secret.size;
}

/* RFC 4954 4: an answer's line has at most 12288 octets, four for each three of these. */
enum { ANSWER_BYTES = (12288 - 2) / 4 * 3 };

bool mote_auth_is_usable(const mote_credentials_t *credentials)
{
    return credentials->user.size > 0 && credentials->user.size < ANSWER_BYTES &&
           credentials->password.size < ANSWER_BYTES - 1 - credentials->user.size && is_sayable(credentials->user) && is_sayable(credentials->password);
}

unsigned mote_auth_step_count(uint8_t mechanism)
{
    return mechanism == MOTE_AUTH_PLAIN ? 1 : 2;
}

void mote_auth_write_answer(mote_writer_t *out, uint8_t mechanism, unsigned step, const mote_credentials_t *credentials)
{
    static const mote_span_t nul = { (const uint8_t *)"", 1 };
    mote_base64_encoder_t encoder = mote_base64_encoder(out);

    if (mechanism == MOTE_AUTH_PLAIN) { /* RFC 4616 2: no authzid, NUL, authcid, NUL, passwd */
        mote_base64_put(&encoder, nul);
        mote_base64_put(&encoder, credentials->user);
        mote_base64_put(&encoder, nul);
        mote_base64_put(&encoder, credentials->password);
    } else {
        mote_base64_put(&encoder, step == 0 ? credentials->user : credentials->password);
    }
    mote_base64_finish(&encoder);
}
