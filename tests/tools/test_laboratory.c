/* Keys and records of jobs, metrics, tables; without running anything (experiment.sh does). */
#include "tools/laboratory/laboratory.h"
#include "tools/laboratory/record.h"
#include "tools/laboratory/result.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[LABORATORY_PATH];

static void make_folder(void)
{
    struct error err;
    cr_assert_eq(host_folder_temporary(folder, sizeof folder, &err), STATUS_OK);
}

static void write_file(const char *name, const char *text)
{
    char path[LABORATORY_PATH + 64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
}

static void remove_folder(void)
{
    static const char *const inner[] = {"runs", "traces"};
    char path[LABORATORY_PATH + 64];
    for (size_t i = 0; i < ARRAY_LEN(inner); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, inner[i]);
        host_folder_remove(path);
    }
    host_folder_remove(folder);
}

static struct laboratory *open_laboratory(const char *kernel)
{
    struct laboratory *laboratory;
    struct error err;
    char path[LABORATORY_PATH + 64];
    snprintf(path, sizeof path, "%s/%s", folder, kernel);
    const struct laboratory_options options = {
        .folder = folder, .guest = {.kernel = path}, .jobs = 1, .timeout = 1, .quiet = true};
    cr_assert_eq(laboratory_open(&laboratory, &options, &err), STATUS_OK, "%s", err.text);
    return laboratory;
}

static struct job *job_of(struct laboratory *laboratory, const char *settings)
{
    struct configuration configuration = {0};
    struct error err;
    cr_assert_eq(configuration_apply(&configuration, settings, &err), STATUS_OK);
    return laboratory_job(laboratory, &configuration, false);
}

TestSuite(laboratory, .init = make_folder, .fini = remove_folder);

/* The key depends on configuration and guest, not on the order of settings. */
Test(laboratory, keys)
{
    write_file("one", "guest one");
    write_file("other", "guest two");
    struct laboratory *laboratory = open_laboratory("one");
    struct job *job = job_of(laboratory, "write=1 total=2");
    char key[JOB_KEY];
    strcpy(key, job->key);
    cr_expect_eq(job, job_of(laboratory, "total=2 write=1"));
    cr_expect_neq(job, job_of(laboratory, "total=2 write=2"));
    cr_expect_eq(job->state, JOB_WAITING);
    laboratory_close(laboratory);
    laboratory = open_laboratory("other");
    cr_expect_str_neq(job_of(laboratory, "total=2 write=1")->key, key);
    laboratory_close(laboratory);
    laboratory = open_laboratory("one");
    cr_expect_str_eq(job_of(laboratory, "total=2 write=1")->key, key);
    laboratory_close(laboratory);
}

Test(laboratory, one_at_a_time)
{
    struct laboratory *second;
    struct error err;
    char path[LABORATORY_PATH + 64];
    write_file("one", "guest one");
    snprintf(path, sizeof path, "%s/one", folder);
    struct laboratory *first = open_laboratory("one");
    const struct laboratory_options options = {.folder = folder, .guest = {.kernel = path}};
    cr_expect_neq(laboratory_open(&second, &options, &err), STATUS_OK);
    cr_expect(strstr(err.text, "in use by another process") != NULL, "%s", err.text);
    laboratory_close(first);
}

static const char stats[] =
    "{\"cycles\": 7, \"instructions\": 5, \"simulated_seconds\": 0.5, \"state_hash\": "
    "\"ab\", \"end\": \"power-off\"}",
                  summary[] =
                      "{\"direction\": \"transmit\", \"metrics\": {\"idle_percent\": 2.5, \"packets\": 9.0, "
                      "\"visit_us.to-host\": 4.0}}",
                  serial[] = "nettest: sent 1000000 bytes in 0.500000 s, 16.00 Mb/s\r\nnettest: done\r\n";

static enum status make_record(json_t **record, struct error *err)
{
    struct configuration configuration = {0};
    cr_assert_eq(configuration_apply(&configuration, "write=1", err), STATUS_OK);
    return record_make(folder, &configuration, "identity", "crosspage run", false, record, err);
}

Test(laboratory, record)
{
    json_t *record;
    struct error err;
    char path[LABORATORY_PATH + 64];
    struct job job = {.state = JOB_DONE};
    double value;
    write_file(RECORD_STATS, stats);
    write_file(RECORD_SUMMARY, summary);
    write_file(RECORD_SERIAL, serial);
    cr_assert_eq(make_record(&record, &err), STATUS_OK, "%s", err.text);
    snprintf(path, sizeof path, "%s/record", folder);
    cr_assert_eq(record_save(record, path, &err), STATUS_OK);
    json_decref(record);

    cr_expect_null(record_load(path, "another identity"));
    job.record = record_load(path, "identity");
    cr_assert_not_null(job.record);
    cr_expect(job_metric(&job, "throughput_mbps", &value) && value == 16);
    cr_expect(job_metric(&job, "run_cycles", &value) && value == 7);
    cr_expect(job_metric(&job, "idle_percent + packets - visit_us.to-host", &value) && value == 7.5);
    cr_expect_not(job_metric(&job, "idle_percent + nothing", &value));
    cr_expect_not(job_metric(&job, "", &value));
    json_decref(job.record);

    /* Damaged, it is as if there were none. */
    cr_assert_eq(truncate(path, 40), 0);
    cr_expect_null(record_load(path, "identity"));
}

Test(laboratory, record_of_a_bad_run)
{
    static const struct {
        const char *serial, *pattern;
    } rows[] = {
        {"nettest: bad value: write=0\r\n", "it last said 'nettest: bad value: write=0'"},
        {"nettest: sent 5 bytes in 0.5 s, 1 Mb/s\r\nnettest: FAILED\r\n", "it last said 'nettest: FAILED'"},
        {"\033[2J\r\n", "it last said '?[2J'"},
    };
    json_t *record;
    struct error err;
    cr_expect_neq(make_record(&record, &err), STATUS_OK);
    write_file(RECORD_STATS, stats);
    cr_expect_neq(make_record(&record, &err), STATUS_OK);
    cr_expect(strstr(err.text, "the guest said nothing (power-off)") != NULL, "%s", err.text);
    write_file(RECORD_SUMMARY, summary);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        write_file(RECORD_SERIAL, rows[i].serial);
        cr_expect_neq(make_record(&record, &err), STATUS_OK);
        cr_expect(strstr(err.text, rows[i].pattern) != NULL, "%s", err.text);
    }
    write_file(RECORD_SERIAL, serial);
    write_file(RECORD_SUMMARY, "{ this is no JSON");
    cr_expect_neq(make_record(&record, &err), STATUS_OK);
}

/* ---- Tables ---- */

static json_t *sample_table(void)
{
    json_t *table = table_create("Sample");
    table_column(table, "name", "", 0);
    table_column(table, "share", "%", 1);
    table_column(table, "count", "", 0);
    table_cell(table, true, json_string("a"));
    table_cell(table, false, json_real(12.345));
    table_cell(table, false, json_integer(7));
    table_cell(table, true, json_string("long, \"name\""));
    table_cell(table, false, NULL);
    table_cell(table, false, json_integer(1234567));
    return table;
}

static void check_output(void (*print)(const json_t *table, FILE *out), const char *expected)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    json_t *table = sample_table();
    print(table, out);
    fclose(out);
    cr_expect_str_eq(text, expected);
    free(text);
    json_decref(table);
}

Test(table, text)
{
    check_output(table_text, "Sample\n"
                             "  name          share (%)    count\n"
                             "  a                  12.3        7\n"
                             "  long, \"name\"          -  1234567\n");
}

Test(table, csv)
{
    check_output(table_csv, "name,share (%),count\n"
                            "a,12.345,7\n"
                            "\"long, \"\"name\"\"\",,1234567\n");
}

Test(table, units)
{
    cr_expect_str_eq(metric_unit("idle_percent"), "%");
    cr_expect_str_eq(metric_unit("visit_us.out + visit_us.return"), "us");
    cr_expect_str_eq(metric_unit("count_per_packet.switch.save"), "per packet");
    cr_expect_str_eq(metric_unit("packets"), "");
}
