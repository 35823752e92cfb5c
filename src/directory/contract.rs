//! The contract: what keeping the trait means, as checks that every backend runs.
//!
//! `tenants`, `chains`, `writes`, `past` and `history` start from an empty directory, `reads` from one that holds the `sample`
//! at one revision, which files have too. `tests` runs them all over each backend, by name; `properties` holds the
//! backends against each other over anything that happens.

mod chains;
mod history;
mod past;
mod reads;
pub(super) mod sample;
mod scene;
mod tenants;
mod writes;

/// Hands every check of a directory that is empty at first to a macro.
macro_rules! with_every_check {
    ($run:ident, $open:path) => {
        $run! { $open;
            tenants::a_new_tenant_is_listed_and_holds_nothing,
            tenants::a_first_revision_is_above_what_it_must_be_above,
            tenants::a_tenant_that_is_there_is_not_made_again,
            tenants::a_tenant_that_never_was_answers_nothing,
            tenants::a_deleted_tenant_answers_nothing,
            tenants::a_tenant_made_again_goes_on_from_its_last_revision_and_holds_nothing,
            tenants::what_an_earlier_tenant_of_the_name_held_stays_in_the_past,
            tenants::tenants_are_listed_by_the_bytes_of_their_names,
            tenants::tenants_with_the_same_names_in_them_know_nothing_of_each_other,
            chains::every_revision_has_a_chain_of_its_own_that_never_changes,
            chains::a_revision_that_is_not_there_has_no_chain,
            chains::each_life_of_a_tenant_has_a_chain_of_its_own,
            writes::a_write_answers_the_next_revision_and_all_of_it_is_there,
            writes::a_write_over_another_revision_writes_nothing,
            writes::changes_that_change_nothing_leave_the_revision,
            writes::what_changes_nothing_is_left_out_of_a_write,
            writes::a_changed_fact_is_all_new_and_since_now,
            writes::a_fact_that_comes_back_is_since_now,
            writes::a_fact_may_mention_what_is_not_there,
            writes::of_two_writes_over_one_revision_one_wins,
            writes::of_many_writes_over_one_revision_one_wins,
            writes::a_tenant_is_made_once_by_many,
            writes::what_manifests_say_is_kept_with_what_they_change,
            past::every_revision_is_read_as_it_was,
            past::a_team_that_a_user_has_left_mentions_them_no_more,
            past::what_mentioned_once_takes_no_place_in_a_page,
            past::what_changed_has_both_ends_and_each_fact_once,
            past::what_came_and_went_or_was_changed_back_did_not_change,
            past::what_changed_over_a_tenants_end_is_what_is_different,
            history::entries_are_newest_first_and_by_key_within_a_revision,
            history::pages_put_together_are_the_whole_history,
            history::a_page_starts_behind_a_place_that_has_no_entry,
            history::entries_are_found_by_kind_and_by_actor,
            history::entries_about_a_user_are_also_those_of_teams_that_had_or_have_them,
            history::entries_about_two_facts_concern_both,
            history::who_when_and_why_come_back_as_they_were_given,
            history::a_tenants_end_is_in_the_history_of_the_next,
            history::a_life_of_a_tenant_has_a_history_of_its_own,
        }
    };
}

/// Hands every check of a directory that holds the sample to a macro.
macro_rules! with_every_reading_check {
    ($run:ident, $open:path) => {
        $run! { $open;
            reads::the_tenant_is_there_at_its_revision,
            reads::every_fact_comes_back_as_it_was,
            reads::ids_compare_as_exact_bytes,
            reads::every_kind_is_listed_in_the_order_of_its_ids,
            reads::pages_put_together_are_the_whole_list,
            reads::a_page_starts_behind_an_id_that_is_not_there,
            reads::a_list_has_only_what_mentions_all_that_is_asked_for,
            reads::a_list_of_what_mentions_is_read_in_pages,
            reads::what_mentions_any_is_found_whatever_its_kind,
            reads::hashes_part_the_facts_however_they_are_cut,
            reads::a_hash_is_found_by_itself_and_not_beside_it,
            reads::counts_are_of_what_the_parts_hold,
            reads::before_the_first_revision_nothing_is_there,
            reads::after_the_last_revision_all_is_as_it_was_last,
            reads::all_is_new_since_nothing_and_nothing_since_now,
        }
    };
}

mod properties;
mod tests;
