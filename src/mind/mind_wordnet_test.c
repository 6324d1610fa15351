/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* WordNet's files: every pointer symbol and its direction, folding, what is dropped, and the
 * message for every malformed field. */
#include "mind/mind_wordnet.h"

#include "mind/mind_testing.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, testing_set_up, testing_tear_down)

#define LICENCE "  1 This is the licence.  \n  2 And its end.  \n"

static const char good_noun[] = LICENCE
    "00000001 05 n 02 Dog 0 domestic_dog 0 002 @ 00000002 n 0000 ~ 00000003 n 0000 | a dog\n"
    "00000002 05 n 01 canine 0 002 ~ 00000001 n 0000 -c 00000001 v 0000 | a canine; \"x\"  \n"
    "00000003 05 n 02 puppy 0 dog 1 001 @i 00000001 n 0000 | a dog that is young\n";
static const char good_verb[] =
    "00000001 30 v 01 bark 0 002 ;c 00000002 n 0000 > 00000002 v 0000 01 + 02 00 | to bark\n"
    "00000002 30 v 02 noise 0 sound 0 000 01 + 08 01 | to sound\n";
static const char good_adj[] =
    "00000001 00 a 02 good(p) 0 well(ip) 0 001 ! 00000002 a 0201 | fine\n"
    "00000002 00 s 01 bad(a) 0 001 & 00000001 a 0000 | not (a) fine\n";
static const char good_adv[] = "00000001 02 r 01 badly 0 001 \\ 00000002 a 0101 | so\n";

static void write_files(testing *t, const char *noun, const char *verb, const char *adj,
                        const char *adv)
{
    testing_write_text(t, "data.noun", noun);
    testing_write_text(t, "data.verb", verb);
    testing_write_text(t, "data.adj", adj);
    testing_write_text(t, "data.adv", adv);
}

/* All relations, one "source type target" a line, as they come. */
static void list(testing *t, const ngi_wordnet_watch *watch, size_t capacity, char *out)
{
    ngi_wordnet *wordnet = NULL;
    ngi_relation relations[64];
    size_t count = 1;
    uint64_t done, total;
    assert_ok(ngi_wordnet_load(&t->mem, &t->os, t->directory, watch, &wordnet));
    *out = 0;
    while (count > 0) {
        assert_ok(ngi_wordnet_next(&t->mem, wordnet, relations, capacity, &count));
        assert_true(count <= capacity);
        for (size_t i = 0; i < count; i++) {
            size_t source_bytes, target_bytes;
            const char *source = ngi_wordnet_word(wordnet, relations[i].source, &source_bytes);
            const char *target = ngi_wordnet_word(wordnet, relations[i].target, &target_bytes);
            out += sprintf(out, "%.*s %s %.*s\n", (int)source_bytes, source,
                           ng_connection_type_name(relations[i].type), (int)target_bytes, target);
        }
    }
    ngi_wordnet_position(wordnet, &done, &total);
    assert_int_equal(done, total);
    ngi_wordnet_destroy(&t->mem, wordnet);
}

static const char good_relations[] = "dog Synonym domestic dog\n"
                                     "domestic dog Synonym dog\n"
                                     "dog Hypernym canine\n"
                                     "domestic dog Hypernym canine\n"
                                     "dog Hyponym puppy\n"
                                     "domestic dog Hyponym puppy\n"
                                     "domestic dog Hyponym dog\n"
                                     "canine Hyponym dog\n"
                                     "canine Hyponym domestic dog\n"
                                     "bark Domain canine\n"
                                     "puppy Synonym dog\n"
                                     "dog Synonym puppy\n"
                                     "puppy Hypernym dog\n"
                                     "puppy Hypernym domestic dog\n"
                                     "dog Hypernym domestic dog\n"
                                     "bark Cause noise\n"
                                     "bark Cause sound\n"
                                     "noise Synonym sound\n"
                                     "sound Synonym noise\n"
                                     "good Synonym well\n"
                                     "well Synonym good\n"
                                     "well Antonym bad\n"
                                     "bad Similar good\n"
                                     "bad Similar well\n"
                                     "badly Derivation bad\n";

static void test_relations(void **state)
{
    testing *t = *state;
    char text[4096];
    write_files(t, good_noun, good_verb, good_adj, good_adv);
    for (size_t capacity = 1; capacity <= 64; capacity *= 4) {
        list(t, NULL, capacity, text);
        assert_string_equal(text, good_relations);
    }
}

static void test_every_symbol(void **state)
{
    testing *t = *state;
    static const struct {
        const char *symbol, *relation;
    } symbols[] = {
        {"!", "a Antonym b\n"},     {"@", "a Hypernym b\n"},   {"@i", "a Hypernym b\n"},
        {"~", "a Hyponym b\n"},     {"~i", "a Hyponym b\n"},   {"#m", "a Holonym b\n"},
        {"#s", "a Holonym b\n"},    {"#p", "a Holonym b\n"},   {"%m", "a Meronym b\n"},
        {"%s", "a Meronym b\n"},    {"%p", "a Meronym b\n"},   {"=", "a Attribute b\n"},
        {"+", "a Derivation b\n"},  {"*", "a Entailment b\n"}, {">", "a Cause b\n"},
        {"^", "a Also b\n"},        {"$", "a Similar b\n"},    {"&", "a Similar b\n"},
        {"\\", "a Derivation b\n"}, {"<", "a Derivation b\n"}, {";c", "a Domain b\n"},
        {";u", "a Domain b\n"},     {";r", "a Domain b\n"},    {"-c", "b Domain a\n"},
        {"-u", "b Domain a\n"},     {"-r", "b Domain a\n"},
    };
    for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
        char noun[256], text[256];
        snprintf(noun, sizeof noun,
                 "00000001 03 n 01 a 0 001 %s 00000002 n 0000 | x\n00000002 03 n 01 b 0 000 | y\n",
                 symbols[i].symbol);
        write_files(t, noun, "", "", "");
        list(t, NULL, 64, text);
        assert_string_equal(text, symbols[i].relation);
    }
}

/* A lexical pointer of a domain's members names its words from the domain's side. */
static void test_reversed_lexical_pointer(void **state)
{
    testing *t = *state;
    char text[256];
    write_files(t,
                "00000001 03 n 02 slang 0 cant 0 001 -u 00000002 n 0201 | x\n"
                "00000002 03 n 02 bread 0 dough 0 001 ;u 00000001 n 0102 | y\n",
                "", "", "");
    list(t, NULL, 64, text);
    assert_string_equal(text, "slang Synonym cant\ncant Synonym slang\nbread Domain cant\n"
                              "bread Synonym dough\ndough Synonym bread\n");
}

static void test_folding(void **state)
{
    testing *t = *state;
    char text[256];
    write_files(t,
                "00000001 03 n 04 New_York 0 new_york 1 NEW__YORK 2 d\xC3\x89j\xC3\xA0 0 000 | x\n",
                "", "00000001 00 a 03 (p) 0 a(b) 0 x(ip)(p) 0 000 | x\n", "");
    list(t, NULL, 64, text);
    assert_string_equal(text,
                        "new york Synonym d\xC3\xA9j\xC3\xA0\nd\xC3\xA9j\xC3\xA0 Synonym new york\n"
                        "(p) Synonym a(b)\n(p) Synonym x(ip)\na(b) Synonym (p)\n"
                        "a(b) Synonym x(ip)\nx(ip) Synonym (p)\nx(ip) Synonym a(b)\n");
}

static void check_error(testing *t, const char *noun, const char *message)
{
    ngi_wordnet *wordnet = NULL;
    write_files(t, noun, "", "", "");
    assert_int_equal(ngi_wordnet_load(&t->mem, &t->os, t->directory, NULL, &wordnet), NG_E_FORMAT);
    assert_message("data.noun");
    assert_message(message);
}

static void test_malformed_lines(void **state)
{
    testing *t = *state;
    check_error(t, LICENCE "x0000001 03 n 01 a 0 000 | x\n",
                "line 3: 'x0000001' is not a synset's offset");
    check_error(t, "0000001 03 n 01 a 0 000 | x\n", "line 1: '0000001' is not a synset's offset");
    check_error(t, "00000001 3 n 01 a 0 000 | x\n", "'3' is not a lexicographer file");
    check_error(t, "00000001 03 q 01 a 0 000 | x\n", "'q' is not a part of speech");
    check_error(t, "00000001 03 v 01 a 0 000 | x\n", "'v' is not the part of speech of this file");
    check_error(t, "00000001 03 n 00 000 | x\n", "'00' is not a count of words from 1");
    check_error(t, "00000001 03 n 0g a 0 000 | x\n", "'0g' is not a count of words");
    check_error(t, "00000001 03 n 02 a 0 000 | x\n", "'|' is not a lexical id");
    check_error(t, "00000001 03 n 01 a zz 000 | x\n", "'zz' is not a lexical id");
    check_error(t, "00000001 03 n 01 \xFF 0 000 | x\n", "'?' is not a word");
    check_error(t, "00000001 03 n 01 _ 0 000 | x\n", "'_' is not a word");
    check_error(t, "00000001 03 n 01 a 0 0f1 | x\n", "'0f1' is not a count of pointers");
    check_error(t, "00000001 03 n 01 a 0 001 ? 00000001 n 0000 | x\n",
                "'?' is not a pointer symbol");
    check_error(t, "00000001 03 n 01 a 0 001 @ 0000001 n 0000 | x\n",
                "'0000001' is not a synset's offset");
    check_error(t, "00000001 03 n 01 a 0 001 @ 00000001 z 0000 | x\n",
                "'z' is not a part of speech");
    check_error(t, "00000001 03 n 01 a 0 001 @ 00000001 n 000 | x\n",
                "'000' is not source and target");
    check_error(t, "00000001 03 n 01 a 0 001 @ 00000001 n 0201 | x\n",
                "'0201' is not source and target of");
    check_error(t, "00000001 03 n 01 a 0 001 @ 00000001 n 0100 | x\n",
                "'0100' is not source and target of");
    check_error(t, "00000001 03 n 01 a 0 002 @ 00000001 n 0000 | x\n",
                "'|' is not a pointer symbol");
    check_error(t, "00000001 03 n 01 a 0 000\n", "'00000001' is not followed by a gloss");
    check_error(t, "00000001 03 n 01 a 0 000 | x\n00000001 03 n 01 b 0 000 | y\n",
                "line 2: '00000001' is not the offset of one synset only");
}

static void test_pointers_to_nowhere(void **state)
{
    testing *t = *state;
    check_error(t, LICENCE "00000001 03 n 01 a 0 001 @ 00000009 n 0000 | x\n",
                "line 3: a pointer to synset 00000009, which does not exist");
    check_error(t, "00000001 03 n 01 a 0 001 + 00000001 v 0000 | x\n",
                "line 1: a pointer to synset 00000001, which does not exist");
    check_error(t, "00000001 03 n 01 a 0 001 ! 00000002 n 0102 | x\n00000002 03 n 01 b 0 000 | y\n",
                "line 1: a pointer to synset 00000002, which has fewer words");
}

static void test_truncated(void **state)
{
    testing *t = *state;
    static const char line[] = "00000001 03 n 01 a 0 001 @ 00000001 n 0000 | x";
    for (size_t bytes = 1; bytes + 2 < sizeof line - 1; bytes++) {
        char noun[sizeof line];
        memcpy(noun, line, sizeof noun);
        noun[bytes] = 0;
        check_error(t, noun, "ends in the middle of line 1 (truncated file)");
    }
    char text[64];
    write_files(t, line, "", "", ""); /* only the newline is missing */
    list(t, NULL, 64, text);
    assert_string_equal(text, ""); /* a hypernym of itself is dropped */
}

static void test_missing_and_empty(void **state)
{
    testing *t = *state;
    ngi_wordnet *wordnet = NULL;
    testing_write_text(t, "data.noun", good_noun);
    assert_int_equal(ngi_wordnet_load(&t->mem, &t->os, t->directory, NULL, &wordnet),
                     NG_E_NOT_FOUND);
    assert_message("/data.verb");
    write_files(t, LICENCE, "", "", "");
    assert_int_equal(ngi_wordnet_load(&t->mem, &t->os, t->directory, NULL, &wordnet), NG_E_FORMAT);
    assert_message("the data files have no synsets");
}

static ng_status stop_at_once(void *context, uint64_t words)
{
    *(uint64_t *)context = words;
    return NG_E_CANCELLED;
}

static void test_watch_stops(void **state)
{
    testing *t = *state;
    ngi_wordnet *wordnet = NULL;
    uint64_t words = 99;
    ngi_wordnet_watch watch = {stop_at_once, &words};
    char *noun = calloc(5000, 40), *p = noun;
    for (int i = 0; i < 5000; i++)
        p += sprintf(p, "%08d 03 n 01 w%d 0 000 | x\n", i, i);
    write_files(t, noun, "", "", "");
    assert_int_equal(ngi_wordnet_load(&t->mem, &t->os, t->directory, &watch, &wordnet),
                     NG_E_CANCELLED);
    assert_int_equal(words, 4095);
    free(noun);
}

static void test_failing_memory_and_reads(void **state)
{
    testing *t = *state;
    write_files(t, good_noun, good_verb, good_adj, good_adv);
    size_t failures = 0;
    for (int kind = 0; kind < 2; kind++) {
        ng_status status = NG_E_NOMEM;
        for (size_t at = 1; status != NG_OK; at++) {
            ngi_wordnet *wordnet = NULL;
            t->memory_count = t->read_count = 0;
            t->fail_memory = kind == 0 ? at : 0;
            t->fail_read = kind == 1 ? at : 0;
            status = ngi_wordnet_load(&t->mem, &t->os, t->directory, NULL, &wordnet);
            if (status != NG_OK) {
                assert_int_equal(status, kind == 0 ? NG_E_NOMEM : NG_E_IO);
                assert_int_equal(atomic_load(&t->mem.used_bytes), 0);
                failures++;
            }
            ngi_wordnet_destroy(&t->mem, wordnet);
        }
    }
    assert_true(failures > 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_relations),
        TEST(test_every_symbol),
        TEST(test_reversed_lexical_pointer),
        TEST(test_folding),
        TEST(test_malformed_lines),
        TEST(test_pointers_to_nowhere),
        TEST(test_truncated),
        TEST(test_missing_and_empty),
        TEST(test_watch_stops),
        TEST(test_failing_memory_and_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
